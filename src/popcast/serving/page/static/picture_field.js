// A picture or video of the draft: dropped, chosen or pasted; shown small before it is sent.
"use strict";

const pictureField = (() => {
  const { at } = elements;
  /** most: bytes that the server takes. */
  function make(most, changed) {
    const input = at("picture"), drop = at("drop"), chosen = at("chosen"), preview = at("preview"), fault = at("picture-fault");
    let file = null, link = null, content = null;

    function show(wanted) {
      fault.textContent = "";
      if (wanted && !/^(image|video)\//.test(wanted.type)) {
        fault.textContent = "That is no picture or video.";
        wanted = null;
      } else if (wanted && wanted.size > most) {
        fault.textContent = `That file is larger than ${(most / 1e6).toFixed(0)} MB.`;
        wanted = null;
      }
      if (link) URL.revokeObjectURL(link);
      file = wanted;
      content = null;
      link = file && file.type.startsWith("image/") ? URL.createObjectURL(file) : null;
      chosen.hidden = !file;
      drop.classList.toggle("has", Boolean(file));
      preview.hidden = !link;
      if (link) preview.src = link;
      else preview.removeAttribute("src");
      at("picture-name").textContent = file ? file.name : "";
      changed();
    }

    function off() {
      input.value = "";
      show(null);
    }

    input.addEventListener("change", () => show(input.files[0] || null));
    at("picture-off").addEventListener("click", () => { off(); input.focus(); });
    for (const name of ["dragenter", "dragover"])
      drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
    for (const name of ["dragleave", "drop"])
      drop.addEventListener(name, () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files.length) show(event.dataTransfer.files[0]);
    });

    /** Name and content in base64; null where there is none. */
    async function value() {
      if (!file) return null;
      content ||= read(file);
      return { name: file.name, data: await content };
    }

    return { value, off };
  }

  function read(file) {
    return new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.onerror = () => failed(new Error("That file cannot be read."));
      reader.readAsDataURL(file);
    });
  }

  return { make };
})();
