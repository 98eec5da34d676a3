(function () {
  "use strict";
  function by(id) { return document.getElementById(id); }
  function value(id) { var part = by(id); return part ? part.value : ""; }
  var list = by("scans"), form = by("filter"), search = by("search");
  var cards = Array.prototype.slice.call(list.children);
  var place = "brainage-decisions-" + list.dataset.study;
  var changed = {}, saved = true, remembered = true, current = null;

  /* Manual decisions: in force (from qc.tsv), and on this page. */
  function inForce(card) {
    return { decision: card.dataset.decision || "", comment: card.dataset.comment || "" };
  }
  function now(card) { return changed[card.id] || inForce(card); }
  function clean(text) { return text.replace(/\s+/g, " ").trim(); }
  function same(one, other) {
    return one.decision === other.decision &&
      (!one.decision || clean(one.comment) === clean(other.comment));
  }
  function say(card, decision, comment) {
    var word = { decision: decision, comment: comment, before: inForce(card), saved: false };
    if (same(word, inForce(card))) { delete changed[card.id]; } else { changed[card.id] = word; }
    saved = false;
    keep();
    show(card);
    count();
  }

  /* A closed tab loses nothing, where the browser lets a page of this folder remember. */
  function stored() {
    var kept = null;
    try { kept = JSON.parse(localStorage.getItem(place)); } catch (error) { kept = null; }
    return kept && kept.changed ? kept : { changed: {}, saved: true };
  }
  function keep() {
    /* Scans that this page doesn't show may be on the next one: what was said of them stays. */
    var words = stored().changed;
    cards.forEach(function (card) { delete words[card.id]; });
    Object.keys(changed).forEach(function (id) { words[id] = changed[id]; });
    try {
      localStorage.setItem(place, JSON.stringify({ changed: words, saved: saved }));
      remembered = true;
    } catch (error) {
      /* Then the warning before leaving is all there is. */
      remembered = false;
    }
  }
  function recall() {
    var kept = stored();
    cards.forEach(function (card) {
      var word = kept.changed[card.id];
      /* Not if another decision came into force since: this very one, or a later one. */
      if (!word || !word.before || !same(word.before, inForce(card))) { return; }
      changed[card.id] = {
        decision: String(word.decision), comment: String(word.comment), before: inForce(card),
        saved: Boolean(word.saved)
      };
    });
    var ids = Object.keys(changed);
    saved = !ids.length ||
      (kept.saved && ids.every(function (id) { return changed[id].saved; }));
    keep();
    return ids.length;
  }

  function show(card) {
    var word = now(card), box = card.querySelector(".decide"), isNew = card.id in changed;
    box.querySelectorAll("[data-say]").forEach(function (button) {
      var said = button.dataset.say;
      if (said) {
        button.setAttribute("aria-pressed", String(word.decision === said));
        button.disabled = said === "keep" && "fault" in card.dataset;
      } else {
        button.disabled = !word.decision;
      }
    });
    var field = box.querySelector("input");
    field.parentNode.hidden = !word.decision;
    /* Not while somebody types there: what is in force may differ from it by a space. */
    if (document.activeElement !== field) { field.value = word.comment; }
    var text = "";
    if (isNew) {
      text = "New: " + (word.decision || "no decision") + ". Automatic verdict: " + card.dataset.machine + ". Takes effect in the next run.";
    }
    box.querySelector(".new").textContent = text;
    card.classList.toggle("changed", isNew);
  }
  function count() {
    var kept = 0, dropped = 0, fresh = Object.keys(changed).length;
    cards.forEach(function (card) {
      var said = now(card).decision;
      if (said === "keep") { kept += 1; } else if (said === "drop") { dropped += 1; }
    });
    var n = kept + dropped;
    by("said").textContent = n + (n === 1 ? " decision: " : " decisions: ") + kept + " keep, " +
      dropped + " drop; " + fresh + " new" + (saved ? "" : ", not saved");
    by("saving").classList.toggle("unsaved", !saved);
  }
  function tell(text) { by("told").textContent = text; }

  /* The file: written as the workflow reads it. */
  function cell(text) {
    text = clean(text);
    if (!text) { return "n/a"; }
    return text.indexOf('"') < 0 ? text : '"' + text.replace(/"/g, '""') + '"';
  }
  function table() {
    var rows = [];
    cards.forEach(function (card) {
      var word = now(card);
      if (word.decision) { rows.push([card.id, word.decision, cell(word.comment)].join("\t")); }
    });
    return ["scan_id\tdecision\tcomment"].concat(rows.sort()).join("\n") + "\n";
  }
  function save() {
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([table()], { type: "text/tab-separated-values" }));
    link.download = "qc_decisions.tsv";
    document.body.appendChild(link);
    link.click();
    link.remove();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
    saved = true;
    Object.keys(changed).forEach(function (id) { changed[id].saved = true; });
    keep();
    count();
    tell("qc_decisions.tsv should be among your downloads. Put it where quality.decisions of " +
      "the config says, and run the workflow again.");
  }

  function apply() {
    var verdict = value("verdict"), site = value("site"), group = value("group");
    var word = value("decision"), wanted = search.value.trim().toLowerCase(), n = 0;
    cards.forEach(function (card) {
      var said = now(card).decision;
      var fits = (!verdict || card.dataset.verdict === verdict) &&
        (!site || card.dataset.site === site) && (!group || card.dataset.group === group) &&
        (!word || word === said || (word === "none" && !said) || (word === "any" && said) ||
          (word === "new" && card.id in changed)) &&
        (!wanted || card.id.toLowerCase().indexOf(wanted) >= 0);
      card.hidden = !fits;
      if (fits) { n += 1; }
    });
    by("shown").textContent = n + " of " + cards.length + " shown";
  }

  /* Measures: a table with a small picture each, made when it is opened. */
  var data = null;
  function measures() {
    if (!data) {
      data = JSON.parse(by("measures").textContent);
      data.measures.forEach(function (measure, column) {
        measure.others = data.values.filter(function (row, place) {
          return row[column] !== null && cards[place].dataset.machine !== "fail";
        }).map(function (row) { return row[column]; });
      });
    }
    return data;
  }
  function figures(number) {
    if (number === null) { return "–"; }
    var size = Math.abs(number);
    var digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 0.1 ? 3 :
      size >= 0.01 ? 4 : 5;
    return number.toFixed(size ? digits : 0).replace("-", "−");
  }
  function add(parent, tag, text, kind) {
    var part = document.createElement(tag);
    if (text) { part.textContent = text; }
    if (kind) { part.className = kind; }
    parent.appendChild(part);
    return part;
  }
  function head(row, text, scope, kind) { add(row, "th", text, kind).scope = scope; }
  function strip(measure, number, odd) {
    var part = by("strip").content.firstElementChild.cloneNode(true);
    var left = 4, width = 96, most = Math.max.apply(null, measure.bins.concat(1));
    function at(x) {
      var share = (x - measure.start) / (measure.end - measure.start);
      return left + width * Math.min(1, Math.max(0, share));
    }
    var step = width / measure.bins.length, bars = "";
    measure.bins.forEach(function (n, place) {
      var height = 14 * n / most;
      if (n) {
        bars += "M" + (left + place * step).toFixed(2) + " 17v" +
          (-Math.max(height, 0.8)).toFixed(2) + "h" + (step - 0.4).toFixed(2) + "V17z";
      }
    });
    function draw(kind, path) { part.querySelector("." + kind).setAttribute("d", path); }
    draw("bins", bars);
    draw("range", "M" + at(measure.low).toFixed(2) + " 20H" + at(measure.high).toFixed(2));
    draw("median", "M" + at(measure.median).toFixed(2) + " 16.5V23.5");
    if (number !== null) {
      var x = at(number), shape = "l4.5 5l-4.5 5l-4.5 -5z", top = 6;
      if (number < measure.start) { x = 0.5; top = 11; shape = "l8 -5.5v11z"; }
      if (number > measure.end) { x = 103.5; top = 11; shape = "l-8 -5.5v11z"; }
      draw("mark", "M" + x.toFixed(2) + " " + top + shape);
      if (odd) { part.querySelector(".mark").classList.add("odd"); }
      var below = measure.others.filter(function (other) { return other < number; }).length;
      part.setAttribute("aria-label", "higher than " +
        Math.round(100 * below / Math.max(1, measure.others.length)) + " % of the scans");
    } else {
      part.setAttribute("aria-label", "not measured");
    }
    return part;
  }
  function fill(details) {
    if (details.querySelector("table")) { return; }
    var all = measures(), own = all.values[cards.indexOf(details.closest("li"))];
    var made = document.createElement("table"), row = add(add(made, "thead"), "tr");
    head(row, "Measure", "col");
    head(row, "This scan", "col", "n");
    head(row, "Among all scans", "col");
    head(row, "Median, 90 % of scans", "col", "n");
    var body = add(made, "tbody");
    all.measures.forEach(function (measure, column) {
      var number = own[column];
      var odd = number !== null && measure.sd > 0 &&
        Math.abs(number - measure.median) / measure.sd > Number("{{ odd }}");
      row = add(body, "tr");
      head(row, measure.name, "row");
      add(row, "td", figures(number) + (odd ? " *" : ""), odd ? "n odd" : "n");
      add(row, "td").appendChild(strip(measure, number, odd));
      var usual = add(row, "td", figures(measure.median) + " ", "n");
      add(usual, "small", figures(measure.low) + " to " + figures(measure.high));
    });
    details.appendChild(made);
  }

  /* Keys: none of them while somebody types or chooses. */
  function shown() { return cards.filter(function (card) { return !card.hidden; }); }
  function step(by) {
    var there = shown();
    if (!there.length) { return; }
    var from = there.indexOf(current);
    if (from < 0 && current) {
      /* The filter hid it: go on from where it stood. */
      var place = cards.indexOf(current);
      from = there.filter(function (card) { return cards.indexOf(card) < place; }).length;
      from -= by > 0 ? 1 : 0;
    }
    var to = there[Math.min(there.length - 1, Math.max(0, from + by))];
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: "nearest" });
  }
  function decide(card, decision) {
    var word = now(card);
    if (decision === "keep" && "fault" in card.dataset) {
      tell(card.id + " cannot be kept: there is no brain of it.");
      return;
    }
    if (decision && decision === word.decision) { return; }
    say(card, decision, decision ? word.comment : "");
    tell(card.id + ": " + (decision || "no decision"));
  }
  document.addEventListener("keydown", function (event) {
    var typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.ctrlKey || event.altKey || event.metaKey) { return; }
    if (typing) {
      var card = event.target.closest(".scans > li");
      if (event.key === "Escape" || (event.key === "Enter" && card)) {
        if (card) {
          card.focus({ preventScroll: true });
        } else if (!event.target.value) {
          event.target.blur();
        }
      }
      return;
    }
    var inside = event.target.closest(".scans > li");
    if (event.key === "j") { step(1); }
    else if (event.key === "k") { step(-1); }
    else if (event.key === "/") { search.focus(); search.select(); }
    else if (!inside) { return; }
    else if (event.key === "1") { decide(inside, "keep"); }
    else if (event.key === "2") { decide(inside, "drop"); }
    else if (event.key === "0") { decide(inside, ""); }
    else if (event.key === "c") {
      var field = inside.querySelector(".decide input");
      if (field.parentNode.hidden) {
        tell("A comment needs a decision: choose keep or drop first.");
      } else {
        field.focus();
      }
    } else if (event.key === "m") {
      var details = inside.querySelector("details");
      if (details) { details.open = !details.open; }
    } else { return; }
    event.preventDefault();
  });
  list.addEventListener("focusin", function (event) {
    current = event.target.closest(".scans > li") || current;
  });
  list.addEventListener("click", function (event) {
    var button = event.target.closest("[data-say]");
    if (!button) { return; }
    var card = button.closest(".scans > li");
    var pressed = button.getAttribute("aria-pressed") === "true";
    decide(card, pressed ? "" : button.dataset.say);
    /* A button that has just been switched off would drop the focus to the page's top. */
    if (button.disabled) { card.focus({ preventScroll: true }); }
  });
  list.addEventListener("input", function (event) {
    var card = event.target.closest(".scans > li");
    say(card, now(card).decision, event.target.value);
  });
  list.addEventListener("toggle", function (event) {
    if (event.target.open) { fill(event.target); }
  }, true);
  window.addEventListener("beforeunload", function (event) {
    /* Whether the download came through, no page can know. */
    var lost = !remembered && Object.keys(changed).length > 0;
    if (!saved || lost) { event.preventDefault(); event.returnValue = ""; }
  });

  var box = by("decide").content.firstElementChild;
  cards.forEach(function (card) {
    var own = box.cloneNode(true);
    own.setAttribute("aria-label", "Your decision on " + card.id);
    card.tabIndex = -1;
    card.insertBefore(own, card.querySelector("details"));
  });
  var recalled = recall();
  cards.forEach(show);
  count();
  if (recalled) {
    tell(recalled + (recalled === 1 ? " decision" : " decisions") + " of an earlier visit not in " +
      "force yet; this browser remembered " + (recalled === 1 ? "it." : "them."));
  }
  document.querySelector(".scripted").hidden = false;
  by("bar").hidden = false;
  /* Some tools that choose for a person say only that something changed. */
  ["input", "change"].forEach(function (kind) { form.addEventListener(kind, apply); });
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    current = null;
    step(1);
  });
  by("save").addEventListener("click", save);
  apply();
}());
