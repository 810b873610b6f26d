export function byId(id) {
  return document.getElementById(id);
}

export function element(name, content = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: content }, properties);
}
