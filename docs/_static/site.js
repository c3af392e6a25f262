// Opened from a folder, a page may not read others: search shows titles, without excerpts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// A view is a page of its own, which follows the system; where the reader has chosen a theme, it follows that.
function paintViews() {
  const theme = document.body.dataset.theme;
  const chosen = theme === "light" || theme === "dark";
  const body = chosen ? `<body data-jp-theme-light="${theme === "light"}">` : "<body>";
  for (const frame of document.querySelectorAll("iframe[srcdoc]")) {
    const painted = frame.srcdoc
      .replace(/:root \{ color-scheme: [a-z ]+;/, `:root { color-scheme: ${chosen ? theme : "light dark"};`)
      .replace(/^<body[^>]*>/m, body);
    if (painted === frame.srcdoc) continue;
    const anew = frame.cloneNode(); // a frame that is given another page may stay blank
    anew.srcdoc = painted;
    frame.replaceWith(anew);
  }
}

addEventListener("DOMContentLoaded", () => {
  paintViews();
  new MutationObserver(paintViews).observe(document.body, { attributeFilter: ["data-theme"] });
});
