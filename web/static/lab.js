// The little script the pages need: theme, live link, confirmation, upload, calendar keys, toasts, ages.
// No framework, no evaluated strings, no inline anything: it runs under `script-src 'self'`.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
const lang = document.documentElement.lang || "fr";
const csrf = $('meta[name="csrf-token"]')?.content ?? "";

/* ---- theme ---- */

const themeButton = $("#theme");
if (themeButton) {
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Storage may be switched off; the choice then lasts for this page.
    }
  });
}

/* ---- the live link: one stream per page; after a gap everything asks for itself again ---- */

const live = $("#live");
const link = $("#link");
function say(state) {
  if (!link || link.dataset.state === state) return;
  link.dataset.state = state;
  $(".live-word", link).textContent = link.dataset[state];
}
if (live) {
  let connectedBefore = false;
  live.addEventListener("htmx:sse:after:connection", () => {
    say("live");
    if (connectedBefore) live.dispatchEvent(new CustomEvent("resync"));
    connectedBefore = true;
  });
  live.addEventListener("htmx:sse:before:connection", (event) => {
    if (connectedBefore && event.detail.connection.attempt > 0) say("lost");
  });
  for (const name of ["htmx:sse:error", "htmx:error", "htmx:sse:close"]) live.addEventListener(name, () => say("lost"));
}

// A card that is being used is not replaced under the hand: it catches up when its menu closes.
document.addEventListener("htmx:config:request", (event) => {
  const { sourceElement, request } = event.detail.ctx;
  if (request.method === "GET" && sourceElement.matches?.(".machine") && $("details[open]", sourceElement)) {
    sourceElement.dataset.stale = "";
    event.preventDefault();
  }
});
document.addEventListener(
  "toggle",
  (event) => {
    // What taking the machine out of service would do is asked when somebody opens the menu for it.
    if (event.target.open) $(".foreseen", event.target)?.dispatchEvent(new CustomEvent("foresee"));
    const card = event.target.closest?.(".machine[data-stale]");
    if (card && !event.target.open) {
      delete card.dataset.stale;
      live?.dispatchEvent(new CustomEvent("resync"));
    }
  },
  true,
);

/* ---- menus close by Escape and by a click elsewhere ---- */

document.addEventListener("click", (event) => {
  for (const menu of $$("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of $$("details.menu[open]")) {
    menu.open = false;
    $("summary", menu).focus();
  }
});

/* ---- confirmation: a form with data-confirm is sent once a person has said yes ---- */

const confirmDialog = $("#confirm");
let waiting = null;
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    if (!form.dataset?.confirm || !confirmDialog) return;
    if (form.dataset.confirmed) {
      delete form.dataset.confirmed;
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    waiting = { id: form.id, form, action: form.action, button: event.submitter };
    $("#confirm-title").textContent = form.dataset.confirm;
    $("#confirm-text").textContent = form.dataset.confirmText ?? "";
    $("#confirm-yes").textContent = form.dataset.confirmYes;
    confirmDialog.returnValue = "no";
    confirmDialog.showModal();
  },
  true,
);
confirmDialog?.addEventListener("close", () => {
  if (confirmDialog.returnValue !== "yes" || !waiting) return;
  // A live update may have replaced the form while the question stood: the same question is found again.
  const form = waiting.form.isConnected ? waiting.form : $$("form[data-confirm]").find((f) => f.action === waiting.action);
  if (form) {
    form.dataset.confirmed = "1";
    form.requestSubmit();
  }
  waiting = null;
});

/* ---- toasts ---- */

// What a person asked for and the network lost is said; what the page asked for itself is asked again anyway.
const toasts = $("#toasts");
document.addEventListener("htmx:error", (event) => {
  const method = event.detail.ctx?.request?.method;
  if (method && method !== "GET") toasts.append($("#toast-lost").content.cloneNode(true));
});
function expire(toast) {
  if (toast.dataset.timed || toast.classList.contains("is-bad")) return;
  toast.dataset.timed = "1";
  setTimeout(() => toast.remove(), 8000);
}
if (toasts) {
  $$("[data-toast]", toasts).forEach(expire);
  new MutationObserver(() => {
    const all = $$("[data-toast]", toasts);
    all.slice(0, -4).forEach((toast) => toast.remove());
    all.forEach(expire);
  }).observe(toasts, { childList: true });
  toasts.addEventListener("click", (event) => event.target.closest("[data-close]")?.closest("[data-toast]").remove());
}
document.addEventListener("click", (event) => event.target.closest("[data-dismiss]")?.closest("article").remove());

/* ---- upload: each file its own request, so that one bad file stops no other ---- */

const drop = $("#drop");
const drafts = $("#drafts");
function bytes(count) {
  const unit = count < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
  const digits = { style: "unit", unit: unit[0], maximumFractionDigits: count < 1e5 ? 1 : 0 };
  return new Intl.NumberFormat(lang, digits).format(count / unit[1]);
}
function card(templateId, name) {
  const article = $(templateId).content.cloneNode(true).firstElementChild;
  $("[data-name]", article).textContent = name;
  return article;
}
function failed(place, name, problem) {
  const article = card("#upload-failed", name);
  $("[data-problem]", article).textContent = problem;
  place.replaceWith(article);
}
function settled(place, file, request) {
  const template = document.createElement("template");
  template.innerHTML = request.responseText;
  const draft = $("article.draft", template.content);
  if (!draft) {
    failed(place, file.name, drop.dataset.failed);
    return;
  }
  place.replaceWith(draft);
  window.htmx.process(draft);
}
function send(file) {
  const place = card("#upload-card", file.name);
  $("[data-size]", place).textContent = bytes(file.size);
  drafts.prepend(place);
  const limit = Number(drop.dataset.limitBytes);
  if (limit && file.size > limit) {
    failed(place, file.name, drop.dataset.tooBig);
    return;
  }
  const body = new FormData();
  body.append("file", file, file.name);
  const request = new XMLHttpRequest();
  const progress = $("progress", place);
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    progress.value = event.loaded / event.total;
    $("[data-percent]", place).textContent = new Intl.NumberFormat(lang, { style: "percent" }).format(progress.value);
  });
  request.addEventListener("load", () => settled(place, file, request));
  request.addEventListener("error", () => failed(place, file.name, drop.dataset.failed));
  request.addEventListener("abort", () => place.remove());
  $("[data-abort]", place).addEventListener("click", () => request.abort());
  request.open("POST", drop.action);
  request.setRequestHeader("X-CSRF-Token", csrf);
  request.setRequestHeader("HX-Request", "true");
  request.send(body);
}
if (drop) {
  const input = $("#file");
  const sendAll = (files) => [...files].forEach(send);
  input.addEventListener("change", () => {
    sendAll(input.files);
    input.value = "";
  });
  // The whole page is the target: nobody has to aim.
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const over = (on) => drop.classList.toggle("is-over", on);
  addEventListener("dragenter", (event) => carriesFiles(event) && over(++depth > 0));
  addEventListener("dragleave", (event) => carriesFiles(event) && over(--depth > 0));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    over(false);
    sendAll(event.dataTransfer.files);
  });
}

/* ---- the floor's filters ---- */

const machines = $("#machines");
function count() {
  const groups = $$(".machine", machines).map((machine) => machine.dataset.group);
  for (const place of $$("[data-count]")) {
    const wanted = place.dataset.count;
    place.textContent = String(wanted === "all" ? groups.length : groups.filter((group) => group === wanted).length);
  }
  const show = machines.dataset.show;
  $("#machines-none").hidden = show === "all" || groups.includes(show);
  // The sentence over the machines counts those that need a hand: it asks for itself when their number changes.
  const hands = String(groups.filter((group) => group === "attention").length);
  if (machines.dataset.hands !== hands) {
    machines.dataset.hands = hands;
    live?.dispatchEvent(new CustomEvent("floor"));
  }
}
if (machines) {
  machines.dataset.hands = $('[data-count="attention"]').textContent;
  for (const button of $$("[data-filter]")) {
    button.addEventListener("click", () => {
      machines.dataset.show = button.dataset.filter;
      for (const other of $$("[data-filter]")) other.setAttribute("aria-pressed", String(other === button));
      count();
    });
  }
  document.addEventListener("htmx:after:swap", count);
}

/* ---- the calendar: panel, arrow keys, the line of now ---- */

const panel = $("#panel");
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener && panel && !event.ctrlKey && !event.metaKey) panel.showModal();
});
panel?.addEventListener("click", (event) => event.target === panel && panel.close());

function neighbour(block, key) {
  const middle = (element) => element.offsetLeft + element.offsetWidth / 2;
  const rows = $$("#board .track").map((track) => $$(".alloc", track)).filter((blocks) => blocks.length > 0);
  const row = rows.findIndex((blocks) => blocks.includes(block));
  const at = rows[row].indexOf(block);
  const closest = (blocks) =>
    blocks?.reduce((best, other) =>
      Math.abs(middle(other) - middle(block)) < Math.abs(middle(best) - middle(block)) ? other : best,
    );
  const moves = {
    ArrowLeft: () => rows[row][at - 1],
    ArrowRight: () => rows[row][at + 1],
    ArrowUp: () => closest(rows[row - 1]),
    ArrowDown: () => closest(rows[row + 1]),
    Home: () => rows[row][0],
    End: () => rows[row].at(-1),
  };
  return moves[key]?.();
}
document.addEventListener("keydown", (event) => {
  const block = event.target.closest?.(".alloc");
  if (!block || event.altKey || event.ctrlKey || event.metaKey) return;
  const next = neighbour(block, event.key);
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
});

function moveNow() {
  const board = $("#board");
  if (!board) return;
  const column = Math.floor((Date.now() - Date.parse(board.dataset.start)) / 1000 / Number(board.dataset.columnS));
  for (const line of $$("[data-now]", board)) {
    line.hidden = column < 0 || column >= Number(board.dataset.columns);
    if (!line.hidden) line.className = line.className.replace(/\bat-\d+/, `at-${column}`);
  }
}
const scroller = $(".cal-scroll");
if (scroller) {
  const line = $(".now.is-head", scroller);
  const names = $(".cal-corner", scroller).offsetWidth;
  if (line) scroller.scrollLeft = line.offsetLeft - (scroller.clientWidth - names) / 3;
  setInterval(moveNow, 30_000);
}

/* ---- cameras: a fresh picture every few seconds, but only while somebody can see it ---- */

const PICTURE_MS = 4000;
const DOWN_MS = 20_000;
const asked = new WeakMap();
function isSeen(element) {
  const box = element.closest(".camera").getBoundingClientRect();
  return box.height > 0 && box.bottom > 0 && box.top < innerHeight;
}
function mark(image, down) {
  image.closest(".camera")?.classList.toggle("is-down", down);
}
for (const [name, down] of [["load", false], ["error", true]]) {
  document.addEventListener(name, (event) => event.target.matches?.(".camera img") && mark(event.target, down), true);
}
for (const image of $$(".camera img")) if (image.complete && image.currentSrc && !image.naturalWidth) mark(image, true);
setInterval(() => {
  if (document.hidden) return;
  const now = Date.now();
  for (const image of $$("img[data-camera]")) {
    const down = image.closest(".camera").classList.contains("is-down");
    const every = down ? DOWN_MS : Number(image.dataset.cameraMs ?? PICTURE_MS);
    if (!asked.has(image)) asked.set(image, now);
    if ((!image.complete && !down) || now - asked.get(image) < every || !isSeen(image)) continue;
    asked.set(image, now);
    image.src = `${image.dataset.camera}?at=${now}`;
  }
}, 500);

/* ---- "4 s ago" stays true between two updates ---- */

const relative = new Intl.RelativeTimeFormat(lang, { style: "short" });
function age(at, justNow) {
  const seconds = Math.max(0, (Date.now() - Date.parse(at)) / 1000);
  if (seconds < 5) return justNow;
  if (seconds < 60) return relative.format(-Math.floor(seconds), "second");
  if (seconds < 3600) return relative.format(-Math.floor(seconds / 60), "minute");
  return seconds < 86_400 ? relative.format(-Math.floor(seconds / 3600), "hour") : relative.format(-Math.floor(seconds / 86_400), "day");
}
setInterval(() => {
  for (const time of $$("time[data-ago]")) time.textContent = age(time.dateTime, time.dataset.ago);
}, 5000);

/* ---- the demonstration's logins ---- */

for (const button of $$("[data-fill-login]")) {
  button.addEventListener("click", () => {
    $("#login").value = button.dataset.fillLogin;
    $("#password").value = button.dataset.fillPassword;
    $("#password").form.requestSubmit();
  });
}
