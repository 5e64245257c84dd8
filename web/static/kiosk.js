// The tablet: the badge reader types wherever the cursor is, so it goes back to its field; the minute is counted down, and
// a page that has stood for long is asked for again.

const field = document.querySelector("#badge");
const minute = document.querySelector("[data-until]");
const LONG_MS = 10 * 60 * 1000;

function isIdle() {
  const at = document.activeElement;
  return !at || at === document.body || at === field;
}
function again() {
  location.replace(location.pathname);
}
if (field) {
  field.focus();
  document.addEventListener("keydown", (event) => {
    if (isIdle() && event.key.length === 1) field.focus();
  });
}
if (minute) {
  const left = minute.querySelector("[data-left]");
  const end = performance.now() + Number(minute.dataset.seconds) * 1000;
  const tick = setInterval(() => {
    const seconds = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    left.textContent = String(seconds);
    if (seconds === 0) {
      clearInterval(tick);
      again();
    }
  }, 500);
} else if (field) {
  setInterval(() => {
    if (isIdle() && !field.value) again();
  }, LONG_MS);
}
