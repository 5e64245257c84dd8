// A screen on a wall: what is on it is fetched anew every minute and put in its place; nothing is loaded anew, and a
// server that does not answer leaves what was there.
const EVERY_MS = 60000;

async function again() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    if (fresh) document.querySelector("main").replaceWith(document.adoptNode(fresh));
  } catch {
    // no connection just now: the next minute tries again
  }
}

setInterval(again, EVERY_MS);
