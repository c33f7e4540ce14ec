// Runs before the first paint: puts the remembered appearance on <html>, so that nothing flashes.
document.documentElement.classList.add("js");
const theme = localStorage.getItem("theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
