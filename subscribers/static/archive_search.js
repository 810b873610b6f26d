// Search in an archive of files: issues that say all words, those whose title does first, then the newest. Words are found
// by their beginning, Chinese and Japanese anywhere, as on a server; see mailer/archive/terms.py.
"use strict";

const MOST = 50; // results that are shown
const AROUND = 60; // characters before and after what is found
const UNSPACED =
  /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fd5\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f]/;
const ACCENTS = /[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670]/g;
const LETTER = /[\p{L}\p{N}]/u;

const script = document.currentScript;
const field = document.getElementById("q");
const status = document.getElementById("found");
const list = document.getElementById("results");
const years = (script.dataset.years || "").split(" ").filter(Boolean); // the last one first
const shards = new Map(); // year → promise of its issues
let taken = [];
// Shards call archive.take.
const archive = { take: (shard) => (taken = shard) };
let asked = 0; // searches; only the last one goes on

function folded(text) {
  return text.normalize("NFKC").toLowerCase().normalize("NFKD").replace(ACCENTS, "").normalize("NFC");
}

// As many characters as the text, so that a place in one is the place in the other.
function evenly(text) {
  return Array.from(text, (char) => {
    const plain = folded(char);
    return plain.length === char.length ? plain : char.toLowerCase().slice(0, char.length).padEnd(char.length);
  }).join("");
}

function wordsOf(query) {
  const runs = folded(query).match(/[\p{L}\p{N}\p{M}]+/gu) || [];
  // 模型compression is two words.
  return runs.flatMap((run) => run.match(new RegExp(`(?:${UNSPACED.source})+|(?:(?!${UNSPACED.source}).)+`, "gu")) || []);
}

function joins(char) {
  return char !== undefined && LETTER.test(char) && !UNSPACED.test(char);
}

function placeOf(word, text, from = 0) {
  const whole = word.length < 3 && /^[a-z0-9]+$/.test(word); // "go" is not looked for in "good"
  for (let at = text.indexOf(word, from); at >= 0; at = text.indexOf(word, at + 1)) {
    if (UNSPACED.test(word)) return at;
    if (!joins(text[at - 1]) && !(whole && joins(text[at + word.length]))) return at;
  }
  return -1;
}

function marked(text, words) {
  const plain = evenly(text);
  const pieces = document.createDocumentFragment();
  let done = 0;
  for (;;) {
    const hits = words.map((word) => [placeOf(word, plain, done), word.length]).filter(([at]) => at >= 0);
    if (!hits.length) break;
    const [at, length] = hits.sort((a, b) => a[0] - b[0] || b[1] - a[1])[0];
    pieces.append(text.slice(done, at));
    const hit = document.createElement("mark");
    hit.textContent = text.slice(at, at + length);
    pieces.append(hit);
    done = at + length;
  }
  pieces.append(text.slice(done));
  return pieces;
}

function excerptOf(text, words, otherwise) {
  let best = "", most = 0;
  for (const line of text.split("\n")) {
    const plain = evenly(line);
    const many = words.filter((word) => placeOf(word, plain) >= 0).length;
    if (many > most) [best, most] = [line, many];
  }
  if (!most) return otherwise; // only the title has them
  const first = Math.min(...words.map((word) => placeOf(word, evenly(best))).filter((at) => at >= 0));
  const begin = Math.max(0, first - AROUND);
  const shown = best.slice(begin, begin + 3 * AROUND);
  return `${begin ? "…" : ""}${shown}${begin + shown.length < best.length ? "…" : ""}`;
}

/* On a page from right to left a title may begin with a Latin name. */
function wayOf(text) {
  return document.dir === "rtl" && /[\u0590-\u08ff]/u.test(text) ? "rtl" : "auto";
}

function result([slug, title, day, dayInWords, language, beginning, text], words) {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.dateTime = day;
  time.textContent = dayInWords;
  const said = document.createElement("div");
  said.lang = language;
  const link = document.createElement("a");
  link.href = `${encodeURIComponent(slug)}/index.html`;
  link.dir = wayOf(title);
  link.append(marked(title, words));
  const excerpt = document.createElement("p");
  const around = excerptOf(text, words, beginning);
  excerpt.dir = wayOf(around);
  excerpt.append(marked(around, words));
  said.append(link, excerpt);
  item.append(time, said);
  return item;
}

function matching(issues, words) {
  return issues.flatMap((issue) => {
    const title = folded(issue[1]);
    const all = `${title}\n${folded(issue[6])}`;
    if (!words.every((word) => placeOf(word, all) >= 0)) return [];
    return [[issue, words.every((word) => placeOf(word, title) >= 0)]];
  });
}

// Year by year, as long as nobody asks for something else: ten thousand issues are a hundred megabytes.
async function show(query) {
  const own = ++asked;
  const words = wordsOf(query);
  const found = [];
  list.replaceChildren();
  status.textContent = words.length ? "" : status.dataset.ask;
  if (!words.length) return;
  for (const year of years) {
    const fresh = matching(await load(year), words);
    if (own !== asked) return;
    const changes = fresh.length && (found.length < MOST || fresh.some(([, titled]) => titled));
    found.push(...fresh);
    found.sort((a, b) => b[1] - a[1] || (a[0][2] < b[0][2] ? 1 : a[0][2] > b[0][2] ? -1 : 0));
    if (changes) list.replaceChildren(...found.slice(0, MOST).map(([issue]) => result(issue, words)));
  }
  status.textContent = found.length ? status.dataset.count.replace("#", found.length) : status.dataset.none;
}

function load(year) {
  if (!shards.has(year)) {
    shards.set(
      year,
      new Promise((done) => {
        const shard = document.createElement("script");
        taken = [];
        shard.src = `search/${year}.js`;
        shard.onload = shard.onerror = () => done(taken);
        document.head.append(shard);
      }),
    );
  }
  return shards.get(year);
}

const query = new URLSearchParams(location.search).get("q") || "";
field.value = query;
field.form.addEventListener("submit", (event) => {
  event.preventDefault();
  history.replaceState(null, "", `?q=${encodeURIComponent(field.value)}`);
  show(field.value);
});
show(query);
