// ALTCHA's challenge with SHA-256, solved in a worker: find the number that was hashed behind the salt. Works on pages
// without https too, where browsers have no crypto.subtle. See docs/decisions/0011-work-instead-of-a-puzzle.md.
"use strict";

const PRIMES = [];
for (let n = 2; PRIMES.length < 64; n++) if (PRIMES.every((prime) => n % prime)) PRIMES.push(n);
const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
const K = Int32Array.from(PRIMES, (prime) => fraction(Math.cbrt(prime)));
const START = Int32Array.from(PRIMES.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
const w = new Int32Array(64);

function compress(state, view, at) {
  for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    h = g; g = f; f = e; e = (d + t1) | 0;
    d = c; c = b; b = a; a = (t1 + s0 + ((b & c) ^ (b & d) ^ (c & d))) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

function solve({ salt, challenge, maxnumber }) {
  const head = new TextEncoder().encode(salt);
  const whole = head.length - (head.length % 64); // what all numbers have in common is hashed once
  const begun = START.slice(), state = new Int32Array(8);
  for (let at = 0; at < whole; at += 64) compress(begun, new DataView(head.buffer), at);
  const rest = head.subarray(whole);
  const target = Int32Array.from({ length: 8 }, (_, i) => parseInt(challenge.slice(8 * i, 8 * i + 8), 16) | 0);
  const tail = new Uint8Array(128), view = new DataView(tail.buffer);
  for (let number = 0; number <= maxnumber; number++) {
    const digits = String(number), length = rest.length + digits.length;
    const blocks = length + 9 > 64 ? 128 : 64;
    tail.fill(0);
    tail.set(rest);
    for (let i = 0; i < digits.length; i++) tail[rest.length + i] = digits.charCodeAt(i);
    tail[length] = 128;
    view.setUint32(blocks - 4, 8 * (whole + length));
    state.set(begun);
    for (let at = 0; at < blocks; at += 64) compress(state, view, at);
    if (state[0] === target[0] && state.every((word, i) => word === target[i])) return number;
  }
  return null;
}

function work() {
  const form = document.getElementById("slow-down");
  const shown = (working) => {
    document.getElementById("working").hidden = !working;
    document.getElementById("waiting").hidden = working;
    form.querySelector("button").hidden = working;
  };
  const challenge = JSON.parse(form.dataset.challenge);
  const worker = new Worker(document.currentScript.src);
  worker.onerror = () => shown(false); // the wait is still there
  worker.onmessage = ({ data: number }) => {
    if (number === null) return shown(false);
    form.elements.altcha.value = btoa(JSON.stringify({ ...challenge, number }));
    form.submit();
  };
  shown(true);
  worker.postMessage(challenge);
}

if (typeof document === "undefined") onmessage = ({ data }) => postMessage(solve(data));
else work();
