// A file that is larger than the server takes is refused before it is sent.

export function watchFiles() {
  document.addEventListener("change", (event) => {
    const field = event.target.closest("input[type=file][data-most]");
    if (!field) return;
    const most = Number(field.dataset.most);
    const isLarge = [...field.files].some((file) => file.size > most);
    const mb = Math.floor(most / 1e6);
    field.setCustomValidity(isLarge ? `This file is larger than ${mb} MB. Pack it with gzip, or divide it.` : "");
    field.reportValidity();
  });
}
