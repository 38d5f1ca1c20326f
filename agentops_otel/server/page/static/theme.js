// The colours that were chosen, before anything is painted; without a choice, those of the system.
try {
  const chosen = localStorage.getItem("agentops.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing has the colours of the system.
}
