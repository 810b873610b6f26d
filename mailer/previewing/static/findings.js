// The list of findings: one entry per rule, with all its places, and the line that leaves the rule out.

import { byId, element } from "./elements.js";

const LABELS = { error: "Error", warning: "Warning", hint: "Hint" };
const SEVERITIES = Object.keys(LABELS);

// Errors first, and each severity in the order of the file.
function grouped(findings) {
  const groups = new Map();
  for (const finding of findings) groups.set(finding.rule, [...(groups.get(finding.rule) ?? []), finding]);
  const rank = ([first]) => SEVERITIES.indexOf(first.severity);
  return [...groups.values()].sort((one, other) => rank(one) - rank(other));
}

export function showFindings(state, point) {
  const list = byId("findings");
  const open = new Set([...list.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  const groups = grouped(state.findings);
  const [all, rules] = [state.findings.length, groups.length];
  const count = all === rules ? all : `${all} of ${rules} ${rules === 1 ? "rule" : "rules"}`;
  byId("findings-title").textContent = all ? `Findings (${count})` : "Findings";
  const items = groups.map((group) => itemOf(group, state.ignoring[group[0].rule], point));
  const none = state.trouble ? ["Fix that first.", "waits"] : ["No problems found.", "nothing"];
  list.replaceChildren(...(items.length ? items : [element("li", none[0], { className: none[1] })]));
  for (const details of list.querySelectorAll("details")) details.open = open.has(details.dataset.key);
}

function itemOf(group, ignoring, point) {
  const [first] = group;
  const item = element("li");
  const button = element("button", "", { type: "button", className: "finding" });
  button.dataset.severity = first.severity;
  const where = element("span", "", { className: "where" });
  const rule = group.length > 1 ? `${first.rule} ×${group.length}` : first.rule;
  where.append(
    element("b", LABELS[first.severity]),
    element("span", rule),
    element("code", `${first.line}:${first.column}`),
  );
  button.append(where, element("span", first.message), element("span", first.fix, { className: "fix" }));
  button.addEventListener("click", () => pointFrom(button, first, point));
  item.append(button);
  const below = element("div", "", { className: "below" });
  if (group.length > 1) below.append(placesOf(group, point));
  if (ignoring) below.append(ignoringOf(first.rule, ignoring));
  if (below.children.length) item.append(below);
  return item;
}

function pointFrom(button, finding, point) {
  byId("findings").querySelector("[aria-current]")?.removeAttribute("aria-current");
  button.setAttribute("aria-current", "true");
  point(finding.line, finding.column);
}

function disclosure(key, title) {
  const details = element("details");
  details.dataset.key = key;
  details.append(element("summary", title));
  return details;
}

function placesOf(group, point) {
  const details = disclosure(`places ${group[0].rule}`, `All ${group.length} places`);
  const places = element("div", "", { className: "places" });
  for (const finding of group) {
    const button = element("button", `${finding.line}:${finding.column}`, { type: "button", title: finding.message });
    button.addEventListener("click", () => pointFrom(button, finding, point));
    places.append(button);
  }
  details.append(places);
  return details;
}

function ignoringOf(rule, { issue, newsletter }) {
  const details = disclosure(`ignore ${rule}`, "Ignore");
  details.append(lineOf("In this issue", issue));
  if (newsletter) details.append(lineOf("In this newsletter", newsletter));
  return details;
}

// The preview writes no file: the editor pastes the line, and sees in the source what it does.
function lineOf(scope, { text, where }) {
  const box = element("div", "", { className: "line-to-add" });
  const copy = element("button", "Copy", { type: "button" });
  copy.setAttribute("aria-label", `Copy the line for: ${scope.toLowerCase()}`);
  const shown = element("code", text);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "Copied";
    } catch {
      // Without permission: select it, so that the editor's own keys copy it.
      getSelection().selectAllChildren(shown);
      copy.textContent = "Selected";
    }
  });
  box.append(element("p", `${scope}: ${where}`), shown, copy);
  return box;
}
