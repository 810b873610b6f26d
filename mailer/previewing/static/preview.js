// The page of `mailer preview`. Everything from the issue is set as text, but for the mail itself, which stands in a
// sandboxed frame where no script runs.

import { byId, element } from "./elements.js";
import { showFindings } from "./findings.js";

const root = document.body.dataset.root;
const mark = document.body.dataset.mark;
const frame = byId("mail");
const stage = byId("stage");
const RANK = ["hint", "warning", "error"];
const WIDTHS = { desktop: 800, phone: 375 };

let state = null; // the newest draft
let view = "desktop";
let dark = false;
let inFrame = ""; // what the frame shows

// ------------------------------------------------------------ the mail

// The frame's document stays and its content is exchanged, so nothing flashes and the reader's place is kept.
function showMail() {
  const page = frame.contentDocument;
  const wanted = state?.mail?.[dark ? "dark" : "light"] ?? "";
  // Until it has loaded the frame holds an empty document, which obeys this page's policy and not its own.
  if (!wanted || wanted === inFrame || page?.URL !== frame.src || page.readyState !== "complete") return;
  const place = placeIn(page);
  const parsed = new frame.contentWindow.DOMParser().parseFromString(wanted, "text/html");
  for (const link of parsed.querySelectorAll("a[href]")) {
    const within = link.getAttribute("href").startsWith("#");
    link.target = within ? "_self" : "_blank";
    if (!within) link.rel = "noopener noreferrer";
  }
  page.replaceChild(page.adoptNode(parsed.documentElement), page.documentElement);
  inFrame = wanted;
  returnTo(page, place);
}

// Where the reader is: the first block that is in sight, by its words, since text above it may grow or shrink.
function placeIn(page) {
  const scroller = page.scrollingElement ?? page.documentElement;
  const blocks = blocksOf(page);
  const index = blocks.findIndex((block) => block.getBoundingClientRect().bottom > 1);
  const block = blocks[index];
  return {
    top: scroller.scrollTop,
    words: block?.textContent,
    index,
    offset: block?.getBoundingClientRect().top,
  };
}

function returnTo(page, place) {
  const scroller = page.scrollingElement ?? page.documentElement;
  scroller.scrollTop = place.top;
  if (!place.top || place.words === undefined) return;
  const same = blocksOf(page)
    .map((block, index) => ({ block, far: Math.abs(index - place.index) }))
    .filter(({ block }) => block.textContent === place.words);
  if (!same.length) return;
  const nearest = same.reduce((best, one) => (one.far < best.far ? one : best));
  scroller.scrollTop += nearest.block.getBoundingClientRect().top - place.offset;
}

function blocksOf(page) {
  return [...page.querySelectorAll("h1, h2, h3, h4, p, li, pre, tr")].filter((block) => block.textContent.trim());
}

// A mail is laid out at its own width; where the window is narrower, it is shown smaller.
function fit() {
  const device = byId("device");
  const phone = view === "phone";
  const margin = phone ? 11 : 1;
  const width = WIDTHS[view] ?? WIDTHS.desktop;
  const room = { width: stage.clientWidth - 2 * margin, height: stage.clientHeight - 2 * margin };
  const scale = Math.min(1, room.width / width);
  const height = phone ? Math.min(room.height / scale, 812) : room.height / scale;
  device.style.width = `${width}px`;
  device.style.height = `${height}px`;
  device.style.top = `${margin}px`;
  device.style.transform = `scale(${scale}) translateX(-50%)`;
  byId("facts").dataset.scale = scale < 0.995 ? `${Math.round(100 * scale)} %` : "";
}

function choose(next) {
  const page = frame.contentDocument;
  const place = page?.documentElement ? placeIn(page) : null;
  view = next;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.view === view;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) stage.setAttribute("aria-labelledby", tab.id);
  }
  stage.dataset.view = view;
  stage.parentElement.dataset.view = view;
  byId("device").hidden = !(view in WIDTHS);
  byId("text").hidden = view !== "text";
  byId("card").hidden = view !== "card";
  byId("dark").disabled = !(view in WIDTHS);
  showCard();
  fit();
  if (place && view in WIDTHS) returnTo(page, place);
  showFacts();
}

function darken(on) {
  dark = on;
  byId("dark").setAttribute("aria-pressed", String(dark));
  byId("device").toggleAttribute("data-dark", dark);
  showMail();
}

// ------------------------------------------------------------ what stands around it

function showInbox(mail) {
  byId("sender").textContent = mail.sender;
  byId("face").textContent = [...mail.sender.trim()][0]?.toUpperCase() ?? "";
  byId("subject").textContent = mail.subject;
  byId("preheader").textContent = mail.preheader;
  byId("test-from").textContent = mail.from;
  byId("test-subject").textContent = mark + mail.subject;
}

// What other sites show where somebody links to the page. It is drawn when somebody looks.
function showCard() {
  const mail = state?.mail;
  if (view !== "card" || !mail) return;
  const image = byId("card-image");
  image.hidden = Boolean(mail.no_card);
  image.alt = mail.subject;
  if (!mail.no_card) image.src = `${root}card.png?${state.version}`;
  byId("card-note").textContent = mail.no_card
    ? `There is no card: ${mail.no_card}.`
    : "Other sites and messengers show this card where somebody links to the page of the issue.";
}

function showFacts() {
  const mail = state?.mail;
  if (!mail) return;
  const size = `${(mail.bytes / 1024).toFixed(1)} of ${mail.most_bytes / 1024} kB`;
  const other = view === "card" ? "1200 × 630 px" : "text part";
  const width = WIDTHS[view] ? `${WIDTHS[view]} px wide ${byId("facts").dataset.scale}` : other;
  const hash = element("span", "content ");
  hash.append(element("code", mail.content_sha256.slice(0, 12), { title: mail.content_sha256 }));
  const facts = [element("span", width), element("span", size), element("span", `${state.milliseconds} ms`), hash];
  byId("facts").replaceChildren(...facts);
}

function showVerdict() {
  const number = (severity) => state.findings.filter((finding) => finding.severity === severity).length;
  const [errors, warnings] = [number("error"), number("warning")];
  const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  const said = errors ? `${count(errors, "error")} would block the send` : "Ready to send";
  const also = warnings ? `, ${count(warnings, "warning")}` : "";
  const verdict = byId("verdict");
  const words = state.trouble ? "Cannot be rendered" : said + also;
  if (verdict.textContent !== words) verdict.textContent = words;
  verdict.dataset.state = state.trouble || errors ? "error" : warnings ? "warning" : "good";
  document.title = `${state.trouble || errors ? "✗" : "✓"} ${state.mail?.subject ?? "Preview"}`;
}

function showTrouble() {
  const { trouble, mail } = state;
  const box = byId("trouble");
  box.hidden = !trouble;
  byId("open-test").disabled = Boolean(trouble) || !mail;
  if (!trouble) return;
  const words = element("span", ` ${trouble.message}; ${trouble.fix}. ${mail ? "Below is the last good state." : ""}`);
  const place = element("button", `${trouble.line}:${trouble.column}`, { type: "button" });
  place.addEventListener("click", () => point(trouble.line, trouble.column));
  box.replaceChildren(...(trouble.line ? [place, words] : [words]));
}

// ------------------------------------------------------------ the source

function showSource(before) {
  const box = byId("source");
  if (state.source !== before) {
    const place = box.scrollTop;
    box.replaceChildren(...state.source.split("\n").map(lineOf));
    box.scrollTop = place;
  }
  for (const line of box.querySelectorAll("[data-severity]")) delete line.dataset.severity;
  const marked = state.trouble ? [{ ...state.trouble, severity: "error" }, ...state.findings] : state.findings;
  for (const { line, severity } of marked) {
    const row = box.children[line - 1];
    if (row && RANK.indexOf(severity) > RANK.indexOf(row.dataset.severity)) row.dataset.severity = severity;
  }
}

function lineOf(text, index) {
  const line = element("div", "", { className: "line" });
  line.append(element("span", String(index + 1)), element("div", text));
  return line;
}

function point(line, column) {
  const box = byId("source");
  const former = box.querySelector("[aria-current]");
  if (former) {
    former.removeAttribute("aria-current");
    former.lastChild.replaceChildren(former.lastChild.textContent);
  }
  const row = box.children[Math.min(line, box.children.length) - 1];
  if (!row) return;
  row.setAttribute("aria-current", "true");
  const letters = [...row.lastChild.textContent];
  const at = Math.max(0, column - 1);
  if (at < letters.length) {
    const spot = element("mark", letters.slice(at, at + 1).join(""));
    row.lastChild.replaceChildren(letters.slice(0, at).join(""), spot, letters.slice(at + 1).join(""));
  }
  row.scrollIntoView({ block: "center" });
}

// ------------------------------------------------------------ send a test

function addresses() {
  return byId("test-to").value.split(/[\s,;]+/).filter(Boolean);
}

async function sendTest(event) {
  event.preventDefault();
  const outcome = byId("test-outcome");
  const button = event.submitter;
  button.disabled = true;
  delete outcome.dataset.accepted;
  outcome.textContent = "Sending…";
  try {
    const answer = await fetch(`${root}test`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ to: addresses() }),
    });
    const { accepted, words } = await answer.json();
    outcome.dataset.accepted = String(accepted);
    outcome.textContent = words;
  } catch {
    outcome.dataset.accepted = "false";
    outcome.textContent = "The preview does not answer; check the terminal where it runs.";
  }
  button.disabled = false;
}

// ------------------------------------------------------------ begin

function show(next) {
  const before = state?.source;
  state = next;
  byId("lost").hidden = true;
  if (state.mail) {
    showInbox(state.mail);
    const text = byId("text");
    const place = text.scrollTop;
    text.textContent = state.mail.text;
    text.lang = state.mail.language;
    text.scrollTop = place;
    showMail();
    showCard();
    showFacts();
  }
  showVerdict();
  showTrouble();
  showFindings(state, point);
  showSource(before);
  if (state.trouble?.line) point(state.trouble.line, state.trouble.column);
  document.body.dataset.version = state.version;
}

for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => choose(tab.dataset.view));
  tab.addEventListener("keydown", (event) => {
    const tabs = [...document.querySelectorAll("[role=tab]")];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
    choose(next.dataset.view);
    next.focus();
  });
}
byId("dark").addEventListener("click", () => darken(!dark));
byId("open-test").addEventListener("click", () => byId("test").showModal());
byId("close-test").addEventListener("click", () => byId("test").close());
byId("test-form").addEventListener("submit", sendTest);
byId("test-to").addEventListener("input", () => {
  byId("test-command").textContent = addresses().join(" ") || "you@example.com";
});
byId("card-image").addEventListener("error", () => {
  byId("card-image").hidden = true;
  byId("card-note").textContent = "This card cannot be drawn: its text does not fit, or a font is damaged.";
});
frame.addEventListener("load", () => {
  inFrame = "";
  showMail();
});
new ResizeObserver(() => {
  fit();
  showFacts();
}).observe(stage);

// On a phone it opens as the phone shows it; the other views are a tap away.
if (matchMedia("(max-width: 520px)").matches) choose("phone");

const events = new EventSource(`${root}events`);
events.addEventListener("message", (event) => show(JSON.parse(event.data)));
events.addEventListener("error", () => {
  byId("lost").hidden = false;
});
