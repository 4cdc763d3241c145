// A card for each camera: those in trouble first, then those that wait, each in the order of the configuration.

import { arrange, make, setParts, setText } from "/elements.js";
import { age, bytes, lasting, moment, without } from "/words.js";

const RANKS = ["trouble", "waiting", "delivering"];
const BROKERS = { "aws-iot": "AWS IoT Core", "cloud-iot": "Cloud IoT Core" };

const cards = new Map();
const byId = (id) => document.getElementById(id);

export const pictureUrl = (id) => `/cameras/${encodeURIComponent(id)}/frame.jpg`;

export function cardOf(id) {
  if (!cards.has(id)) {
    const article = byId("camera").content.cloneNode(true).querySelector("article");
    const part = (name) => article.querySelector(name);
    article.dataset.camera = id;
    part("h2").textContent = id;
    part("h2").id = `camera-${id}`;
    article.setAttribute("aria-labelledby", `camera-${id}`);
    cards.set(id, { article, part, etag: null, url: null, loading: false });
  }
  return cards.get(id);
}

// What the node has reported `passedMs` ago.
export function showCameras({ cameras, time }, passedMs) {
  const now = Date.parse(time) + passedMs;
  const ranked = [...cameras].sort((one, other) => RANKS.indexOf(one.condition) - RANKS.indexOf(other.condition));
  arrange(byId("cameras"), ranked.map((report) => cardOf(report.id).article));
  for (const id of cards.keys()) {
    if (!cameras.some((report) => report.id === id)) forget(id);
  }
  cameras.forEach((report) => show(report, now, passedMs / 1000));
}

function forget(id) {
  const { url } = cards.get(id);
  if (url) URL.revokeObjectURL(url);
  cards.delete(id);
}

function show(report, now, passedS) {
  const { article, part } = cardOf(report.id);
  article.className = `${report.condition} ${report.fresh || !report.pictures ? "fresh" : ""}`;
  part("img").alt = `Newest picture of ${report.id}`;
  setText(part(".state"), stateWord(report));
  setText(part(".since"), sinceText(report, now));
  const isTrying = ["connecting", "disconnected"].includes(report.state) && report.reconnects_total > 0;
  const attempt = isTrying ? `, attempt ${report.reconnects_total + 1}` : "";
  setText(part(".lasting"), `for ${lasting((now - Date.parse(report.since)) / 1000)}${attempt}`);
  setText(part(".message"), reason(report));
  setText(part(".nothing"), inPlaceOfPicture(report));
  setRow(part(".picture-facts"), pictureFacts(report, passedS));
  setRow(part(".recording"), report.recording === null ? [] : recordingFacts(report, now));
  setRow(part(".brokers"), report.brokers.map((broker) => brokerFact(broker, now)));
  setRow(part(".address"), [[report.address, ""]]);
}

function setRow(row, parts) {
  row.hidden = !parts.length;
  setParts(row.querySelector("dd"), parts);
}

function stateWord({ state, reason, fresh, frame, delivering, condition }) {
  if (reason === "waiting") return "waiting";
  if (delivering && condition === "trouble") return "not recorded";
  return state === "connected" && frame !== null && !fresh ? "stale" : state;
}

// Since when is known of the state alone: where another word stands above, it is named.
function sinceText(report, now) {
  const isOfWord = ["waiting", report.state].includes(stateWord(report));
  return `${isOfWord ? "" : `${report.state} `}since ${moment(report.since, now)},`;
}

function reason(report) {
  if (report.delivering) return "";
  if (report.message || report.reason) return without(report.address, report.message || report.reason);
  const isStale = report.state === "connected" && report.frame !== null;
  return isStale ? `The newest picture is older than ${report.stale_after_s} s` : "";
}

function inPlaceOfPicture({ pictures, frame, fresh }) {
  if (!pictures) return "recorded only";
  if (frame === null) return "no picture yet";
  return fresh ? "" : "picture is stale";
}

function pictureFacts({ frame, frame_age_s: ageS, decode_mode: decode }, passedS) {
  if (frame === null) return [];
  const parts = [[`${age(ageS + passedS)} old`, "age"], [`${frame.width} × ${frame.height}`, "size"]];
  if (decode !== "none") parts.push([`decodes ${decode}`, "decode"]);
  return parts;
}

function recordingFacts({ id, recording }, now) {
  const parts = recording.problem ? [[without("", recording.problem), "problem bad"]] : [];
  parts.push([`${recording.chunks_stored} stored`, ""]);
  if (recording.chunks_waiting) parts.push([`${recording.chunks_waiting} waiting (${bytes(recording.waiting_bytes)})`, ""]);
  if (recording.chunks_quarantined) parts.push([`${recording.chunks_quarantined} quarantined`, "bad"]);
  if (recording.chunks_lost) parts.push([`${recording.chunks_lost} lost`, "bad"]);
  const newest = recording.newest_chunk;
  if (newest) parts.push([`newest chunk ${lasting((now - Date.parse(newest)) / 1000)} ago`, ""]);
  if (recording.url) parts.push(recordingsLink(id, recording.url));
  return parts;
}

function recordingsLink(id, url) {
  return Object.assign(make("a", "recordings"), { href: url, rel: "noreferrer", ariaLabel: `recordings of ${id}` });
}

// Which broker takes the states of a camera, and since when and why not: nothing else depends on it.
function brokerFact({ broker, connected, since, message, reason: word }, now) {
  const name = BROKERS[broker] ?? broker;
  if (connected) return [name, ""];
  const away = since === null ? "not yet" : `away for ${lasting((now - Date.parse(since)) / 1000)}`;
  const why = message ?? word;
  return [`${name} (${away})${why ? `: ${why}` : ""}`, "away"];
}

// The node does not answer: what it said last was true then, so only what stays true is left.
export function showUnknown({ cameras, time }) {
  const captured = new Map(cameras.map(({ id, frame }) => [id, frame?.captured_at]));
  for (const [id, { article, part }] of cards) {
    article.className = "unknown";
    part("img").alt = `Last known picture of ${id}`;
    setText(part(".state"), "unknown");
    for (const name of [".since", ".lasting", ".message"]) setText(part(name), "");
    for (const name of [".picture-facts", ".recording", ".brokers"]) part(name).hidden = true;
    setText(part(".nothing"), captured.get(id) ? `picture of ${moment(captured.get(id), Date.parse(time))}` : "no picture");
  }
}

export async function paint(known, id, blob, etag) {
  const url = URL.createObjectURL(blob);
  const next = new Image();
  next.src = url;
  await next.decode(); // so that the change does not flicker
  const image = known.part("img");
  image.src = url;
  image.hidden = false;
  known.part(".picture").classList.add("has-picture");
  known.part(".picture").href = pictureUrl(id);
  if (known.url) URL.revokeObjectURL(known.url);
  known.url = url;
  known.etag = etag;
}
