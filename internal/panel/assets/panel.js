// What moves in the control panel beside htmx: copying, menus, and the handle of the timeline. Everything works without it.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Copy buttons are of no use without this script, so they are shown by it.
  function showCopyButtons(within) {
    all("[data-copy]", within).forEach((button) => { button.hidden = false; });
  }

  async function copy(button) {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Over plain HTTP from another machine browsers have no clipboard but this one.
      const range = document.createRange();
      range.selectNodeContents(code);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  // One menu at a time; it closes with Escape and with a click elsewhere.
  function closeMenus(but) {
    all("details.menu[open]").forEach((menu) => { if (menu !== but) menu.open = false; });
  }

  // What is wrong with a form is shown next to the field while it is typed.
  function showVerdict(verdict) {
    const form = verdict.closest("form");
    all(".wrong", form).forEach((text) => { text.textContent = ""; });
    all("[aria-invalid]", form).forEach((input) => input.removeAttribute("aria-invalid"));
    const field = verdict.dataset.field;
    const text = field && document.getElementById(field + "-wrong");
    if (!text) {
      return;
    }
    text.textContent = verdict.dataset.problem;
    const input = document.getElementById(field);
    if (input && "value" in input) input.setAttribute("aria-invalid", "true");
  }

  // Times are typed and shown in UTC, to the millisecond.
  const show = (ms) => new Date(ms).toISOString().replace("T", " ").replace("Z", "");
  function read(text) {
    const plain = text.trim().replace(/ UTC$/, "").replace(" ", "T");
    return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(plain) ? plain : plain + "Z");
  }

  const input = () => document.getElementById("at");
  function bounds(picture) {
    const d = picture.dataset;
    return { from: +d.from, to: +d.to, earliest: +d.earliest, latest: +d.latest };
  }

  function placeHandle() {
    const picture = document.querySelector("[data-timeline]");
    if (!picture || !input()) return;
    const { from, to } = bounds(picture);
    const at = read(input().value);
    const inside = at >= from && at <= to;
    picture.querySelector(".handle").setAttribute("x", inside ? (at - from) / (to - from) * 100 + "%" : "-1000");
  }

  // choose puts a moment into the form; moments outside of the history cannot be chosen.
  function choose(at, settled) {
    const picture = document.querySelector("[data-timeline]");
    const { earliest, latest } = bounds(picture);
    input().value = show(Math.min(Math.max(at, earliest), latest));
    document.getElementById("state-point").checked = true;
    placeHandle();
    if (settled) input().dispatchEvent(new Event("change", { bubbles: true }));
  }

  function momentUnder(picture, event) {
    const { from, to } = bounds(picture);
    const box = picture.getBoundingClientRect();
    return Math.round(from + (event.clientX - box.left) / box.width * (to - from));
  }

  let dragged = null;
  document.addEventListener("pointerdown", (event) => {
    const picture = event.target.closest?.("[data-timeline]");
    if (!picture || !input() || event.button !== 0) return;
    const mark = event.target.closest("[data-at]");
    if (mark) {
      choose(read(mark.dataset.at), true);
      return;
    }
    dragged = picture;
    picture.setPointerCapture(event.pointerId);
    choose(momentUnder(picture, event), false);
  });
  document.addEventListener("pointermove", (event) => {
    if (dragged) choose(momentUnder(dragged, event), false);
  });
  document.addEventListener("pointerup", (event) => {
    if (!dragged) return;
    choose(momentUnder(dragged, event), true);
    dragged = null;
  });
  document.addEventListener("pointercancel", () => { dragged = null; });

  // The wheel zooms about the moment under the pointer: the server draws the new part.
  document.addEventListener("wheel", (event) => {
    const picture = event.target.closest?.("[data-timeline]");
    if (!picture || !input() || !(event.ctrlKey || event.shiftKey)) return;
    event.preventDefault();
    const value = (event.deltaY || event.deltaX) > 0 ? "zoom-out" : "zoom-in";
    const button = document.querySelector(`#timeline button[value=${value}]`);
    if (button && !button.disabled && !document.querySelector(".htmx-request")) button.click();
  }, { passive: false });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      if (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.target !== input() || !step || !document.querySelector("[data-timeline]")) return;
    const at = read(input().value);
    if (Number.isNaN(at)) return;
    event.preventDefault();
    choose(at + step * (event.shiftKey ? 1000 : 1), true);
  });

  document.addEventListener("input", (event) => {
    if (event.target === input()) placeHandle();
  });

  document.addEventListener("click", (event) => {
    closeMenus(event.target.closest("details.menu"));
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    const pick = event.target.closest("button[data-at]");
    if (pick && input()) {
      event.preventDefault();
      choose(read(pick.dataset.at), true);
      input().focus();
    }
  });

  // Without scripts forms have a button that looks again; with them they look by themselves.
  document.documentElement.classList.add("scripted");
  document.addEventListener("htmx:afterSwap", (event) => {
    showCopyButtons(document);
    all("[data-verdict]").forEach(showVerdict);
    if (event.detail.target?.id === "timeline") placeHandle();
  });
  showCopyButtons(document);
})();
