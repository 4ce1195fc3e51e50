// Sets light or dark before anything is painted.
const kept = localStorage.getItem("modesweep-theme");
const wanted = kept ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.documentElement.dataset.theme = wanted;
