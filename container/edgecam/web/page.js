// Asks the node once a second what its cameras are doing, and fetches each picture that is new.
// Nothing is asked while nobody looks: a page forgotten in a tab must not cost the core anything.

const PERIOD_MS = 1000;
const TIMEOUT_MS = 5000;

const cards = new Map();
const byId = (id) => document.getElementById(id);
let timer;
let asking = false;

function card(id) {
  if (!cards.has(id)) {
    const article = byId("camera").content.cloneNode(true).querySelector("article");
    article.dataset.camera = id;
    const part = (name) => article.querySelector(name);
    part("h2").textContent = id;
    part("img").alt = `Newest picture of ${id}`;
    part(".picture").href = pictureUrl(id);
    byId("cameras").append(article);
    cards.set(id, { article, part, etag: null, url: null, loading: false });
  }
  return cards.get(id);
}

const pictureUrl = (id) => `/cameras/${encodeURIComponent(id)}/frame.jpg`;

async function ask(path, headers = {}) {
  return fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
}

function age(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

function show(report, now) {
  const { article, part } = card(report.id);
  const stale = report.frame !== null && !report.fresh;
  const word = report.state === "connected" && stale ? "stale" : report.state;
  article.className = report.delivering ? "delivering fresh" : `${report.state} ${report.fresh ? "fresh" : ""}`;
  part(".state").textContent = word;
  part(".age").textContent = report.frame_age_s === null ? `attempt ${report.reconnects_total + 1}` : `${age(report.frame_age_s)} old`;
  part(".size").textContent = report.frame ? `${report.frame.width} × ${report.frame.height}` : "";
  part(".decode").textContent = report.decode_mode === "none" ? "" : `decodes ${report.decode_mode}`;
  part(".nothing").textContent = stale ? "picture is stale" : report.frame ? "" : "no picture yet";
  part(".nothing").hidden = !part(".nothing").textContent;
  const trouble = report.delivering ? "" : report.message || report.reason || "";
  const message = trouble || report.recording?.problem || "";
  showRecording(part(".recording"), report.recording);
  showBrokers(part(".brokers"), report.brokers, now);
  part(".message").textContent = message;
  part(".message").hidden = !message;
}

// What became of a camera's recording, as words: [text, class].
function recorded(recording) {
  const words = recording.problem ? [[`in trouble (${recording.reason})`, "lost"]] : [];
  words.push([`${recording.chunks_stored} stored`, ""]);
  if (recording.chunks_waiting) words.push([`${recording.chunks_waiting} waiting (${bytes(recording.waiting_bytes)})`, ""]);
  if (recording.chunks_quarantined) words.push([`${recording.chunks_quarantined} quarantined`, "lost"]);
  if (recording.chunks_lost) words.push([`${recording.chunks_lost} lost`, "lost"]);
  return words;
}

function showRecording(line, recording) {
  line.hidden = recording === null;
  if (recording === null) return;
  const spans = recorded(recording).map(([text, name]) => Object.assign(document.createElement("span"), { textContent: text, className: name }));
  line.replaceChildren("recording:", ...spans);
}

const BROKERS = { "aws-iot": "AWS IoT Core", "cloud-iot": "Cloud IoT Core" };

// Which brokers take the states of a camera, and since when not: in small, for nothing else depends on them.
function showBrokers(line, brokers, now) {
  line.hidden = brokers.length === 0;
  const spans = brokers.map(({ broker, connected, since, message }) => {
    const name = BROKERS[broker] ?? broker;
    const away = since === null ? "not yet" : `away for ${age(Math.max(0, now - Date.parse(since)) / 1000)}`;
    const span = Object.assign(document.createElement("span"), { textContent: connected ? name : `${name} (${away})` });
    span.className = connected ? "" : "away";
    span.title = message ?? "";
    return span;
  });
  line.replaceChildren("brokers:", ...spans);
}

// What the node as a whole suffers from: the nucleus no longer accepts it, or its bucket or spool is in trouble.
function showStorage(storage, identity) {
  const line = byId("storage");
  const problem = storage === null ? "" : storage.spool_full ? "The spool is full" : storage.reason ? "The bucket takes no chunks, they wait in the spool" : "";
  const refused = storage === null ? "" : refusedText(storage);
  line.hidden = !problem && !refused && identity === null;
  if (line.hidden) return;
  const used = storage === null ? "" : `${bytes(storage.spool_bytes)} of ${bytes(storage.spool_limit_bytes)} used`;
  const stored = problem ? `${problem} (${used})${storage.message ? `: ${storage.message}` : ""}` : refused;
  const text = identity === null ? stored : identity.message;
  if (line.textContent !== text) line.textContent = text; // read aloud on change only
  line.className = identity !== null || storage.spool_full || storage.reason !== "unavailable" ? "bad" : "";
}

// Objects that the bucket refuses while it takes others, such as one under hold.
function refusedText({ refused, refused_count: count }) {
  if (!count) return "";
  const more = count > 1 ? ` and ${count - 1} more` : "";
  return `The bucket refuses ${refused[0].object}${more}: ${refused[0].message}`;
}

function bytes(number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, number)) / 3));
  return `${(number / 1000 ** power).toFixed(power ? 1 : 0)} ${units[power]}`;
}

async function refresh(report) {
  const known = card(report.id);
  if (report.frame === null || known.loading) return;
  known.loading = true;
  try {
    const answer = await ask(pictureUrl(report.id), known.etag ? { "If-None-Match": known.etag } : {});
    if (answer.status === 200) await paint(known, await answer.blob(), answer.headers.get("ETag"));
  } catch {
    // The next report says what is wrong; the picture that is there stays.
  } finally {
    known.loading = false;
  }
}

async function paint(known, blob, etag) {
  const url = URL.createObjectURL(blob);
  const next = new Image();
  next.src = url;
  await next.decode(); // so that the change does not flicker
  const image = known.part("img");
  image.src = url;
  image.hidden = false;
  known.part(".picture").classList.add("has-picture");
  if (known.url) URL.revokeObjectURL(known.url);
  known.url = url;
  known.etag = etag;
}

function summarise(cameras) {
  const delivering = cameras.filter((report) => report.delivering).length;
  const text = `${delivering} of ${cameras.length} ${cameras.length === 1 ? "camera" : "cameras"} delivering`;
  if (byId("summary").textContent !== text) byId("summary").textContent = text; // read aloud on change only
  document.title = `${delivering}/${cameras.length} edgecam`;
}

function complain(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
  if (!text) return;
  byId("summary").textContent = "";
  document.title = "edgecam: no answer";
  for (const { article, part } of cards.values()) {
    article.className = "";
    part(".state").textContent = "unknown";
  }
}

async function round() {
  if (asking) return;
  asking = true;
  try {
    const answer = await ask("/cameras");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { cameras, storage, identity, time, version } = await answer.json();
    complain("");
    byId("version").textContent = `edgecam ${version}`;
    cameras.forEach((report) => show(report, Date.parse(time)));
    showStorage(storage, identity);
    summarise(cameras);
    cameras.forEach((report) => void refresh(report)); // not awaited: a slow picture holds up no other
  } catch (error) {
    complain(`The node does not answer (${error.message}). Asking again every second.`);
  } finally {
    asking = false;
  }
}

function watch() {
  clearInterval(timer);
  if (document.visibilityState !== "visible") return;
  round();
  timer = setInterval(round, PERIOD_MS);
}

document.addEventListener("visibilitychange", watch);
watch();
