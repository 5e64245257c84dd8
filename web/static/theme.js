// Runs before the first paint: the theme this browser chose, and the mark that script is on.
{
  const root = document.documentElement;
  root.classList.add("script");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage may be switched off; the system's theme holds.
  }
}
