// Before the first paint: the theme that the person chose. A classic script, so that it runs before the body is drawn.
(() => {
  "use strict";
  let theme = null;
  try {
    theme = localStorage.getItem("streamlabel.theme");
  } catch {
    // Storage is shut: the system's theme it is.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
