// A line for each thing that the node as a whole suffers from, all of one shape: what, since when, why.

import { arrange, setText } from "/elements.js";
import { bytes, lasting, moment, without } from "/words.js";

const lines = new Map();
const byId = (id) => document.getElementById(id);

export function showNotices({ node, storage, identity, time }, passedMs) {
  const now = Date.parse(time) + passedMs;
  const bucket = node.bucket ?? "The bucket";
  const notices = [...ofNucleus(identity), ...ofStorage(storage, bucket), ...ofRefused(storage, bucket)];
  byId("notices").hidden = !notices.length;
  arrange(byId("notices"), notices.map((notice) => show(notice, now)));
}

// The node does not answer: nothing is known of them.
export function hideNotices() {
  byId("notices").hidden = true;
}

function ofNucleus(identity) {
  if (identity === null) return [];
  return [{ what: "The nucleus no longer accepts this node", ...identity, isBad: true }];
}

function ofStorage(storage, bucket) {
  if (storage === null) return [];
  const used = `${bytes(storage.spool_bytes)} of ${bytes(storage.spool_limit_bytes)} used`;
  const message = storage.message ? without(bucket, storage.message) : "";
  if (storage.spool_full) return [{ what: `The spool is full (${used})`, since: storage.since, message, isBad: true }];
  if (!storage.reason) return [];
  const isBad = storage.reason !== "unavailable";
  return [{ what: `${bucket} takes no chunks, they wait in the spool (${used})`, since: storage.since, message, isBad }];
}

// Objects that the bucket refuses while it takes others, such as one under hold.
function ofRefused(storage, bucket) {
  if (storage === null) return [];
  const notices = storage.refused.map(({ object, since, message }) => (
    { what: `${bucket} refuses ${object}`, since, message: without(bucket, message), isBad: true }
  ));
  const more = storage.refused_count - storage.refused.length;
  if (more > 0) notices.push({ what: `${bucket} refuses ${more} more`, since: null, message: "", isBad: true });
  return notices;
}

function show({ what, since, message, isBad }, now) {
  if (!lines.has(what)) lines.set(what, byId("notice").content.cloneNode(true).querySelector("li"));
  const line = lines.get(what);
  line.className = isBad ? "bad" : "";
  setText(line.querySelector(".what"), what);
  setText(line.querySelector(".since"), since ? `since ${moment(since, now)},` : "");
  setText(line.querySelector(".lasting"), since ? `for ${lasting((now - Date.parse(since)) / 1000)}` : "");
  setText(line.querySelector(".why"), message ?? "");
  return line;
}
