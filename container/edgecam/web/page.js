// Asks the node once a second what its cameras are doing, and fetches each picture that is new.
// Nothing is asked while nobody looks: a page forgotten in a tab must not cost the core anything.

import { cardOf, paint, pictureUrl, showCameras, showUnknown } from "/cards.js";
import { setParts, setText } from "/elements.js";
import { hideNotices, showNotices } from "/notices.js";
import { lasting, moment } from "/words.js";

const PERIOD_MS = 1000;
const TIMEOUT_MS = 5000;
const LATE_MS = 1.5 * PERIOD_MS;

const byId = (id) => document.getElementById(id);
let timer;
let asking = false;
let last = null; // what the node said last, and when that came
let isGone = false;

async function ask(path, headers = {}) {
  return fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
}

async function refresh({ id, frame }) {
  const known = cardOf(id);
  if (frame === null || known.loading) return;
  known.loading = true;
  try {
    const answer = await ask(pictureUrl(id), known.etag ? { "If-None-Match": known.etag } : {});
    if (answer.status === 200) await paint(known, id, await answer.blob(), answer.headers.get("ETag"));
  } catch {
    // The next report says what is wrong; the picture that is there stays.
  } finally {
    known.loading = false;
  }
}

const named = ({ site, core }) => [site, core].filter(Boolean).join(" · ") || "edgecam";

function summarise({ cameras, node }) {
  const count = (condition) => cameras.filter((report) => report.condition === condition).length;
  const [trouble, waiting, delivering] = ["trouble", "waiting", "delivering"].map(count);
  const all = `${cameras.length} ${cameras.length === 1 ? "camera" : "cameras"}`;
  const what = trouble ? `${trouble} of ${all} in trouble` : `${delivering} of ${all} delivering`;
  summary(waiting ? `${what}, ${waiting} waiting` : what, trouble ? "bad" : waiting ? "wait" : "good");
  document.title = `${trouble ? `${trouble} in trouble` : `${delivering}/${cameras.length}`} · ${named(node)}`;
}

function summary(text, name) {
  byId("summary").className = name;
  setText(byId("summary"), text); // read aloud on change only
}

function showNode({ node, version }) {
  setText(byId("name"), node.site ?? node.core ?? "edgecam");
  const parts = node.site && node.core ? [[`core ${node.core}`, ""]] : [];
  if (node.bucket) parts.push([`records to ${node.bucket}`, ""]);
  setParts(byId("about"), parts);
  setText(byId("version"), `edgecam ${version}`);
}

function showAnswer() {
  const { document: answered, atMs } = last;
  const passedMs = Math.max(0, Date.now() - atMs);
  showCameras(answered, passedMs);
  showNotices(answered, passedMs);
}

function showGone(why) {
  isGone = true;
  setText(byId("gone-why"), `The node does not answer (${why}). Asking again every second.`);
  byId("gone").hidden = false;
  summary("no answer", "bad");
  document.title = `no answer · ${named(last?.document.node ?? {})}`;
  hideNotices();
  if (last) showUnknown(last.document);
  showGoneFor();
}

function showGoneFor() {
  const now = Date.now();
  setText(byId("gone-for"), last ? `Its last answer was at ${moment(last.atMs, now)}, ${lasting((now - last.atMs) / 1000)} ago.` : "");
}

async function round() {
  if (asking) return;
  asking = true;
  try {
    const answer = await ask("/cameras");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    last = { document: await answer.json(), atMs: Date.now() };
    isGone = false;
    byId("gone").hidden = true;
    showNode(last.document);
    showAnswer();
    summarise(last.document);
    last.document.cameras.forEach((report) => void refresh(report)); // not awaited: a slow picture holds up no other
  } catch (error) {
    showGone(error.message);
  } finally {
    asking = false;
  }
}

function beat() {
  if (isGone) showGoneFor();
  else if (last && Date.now() - last.atMs > LATE_MS) showAnswer(); // clocks and ages go on counting
  round();
}

function watch() {
  clearInterval(timer);
  if (document.visibilityState !== "visible") return;
  beat();
  timer = setInterval(beat, PERIOD_MS);
}

document.addEventListener("visibilitychange", watch);
watch();
