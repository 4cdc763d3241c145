// What mp4box.js and mediabunny find in chunks, and what they complain about: one line of JSON a file.
import { readFile } from "node:fs/promises";
import { Log, createFile } from "mp4box";
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from "mediabunny";

const complaints = [];
for (const level of ["log", "info", "warn", "error", "debug"]) {
    console[level] = (...words) => complaints.push(words.map(String).join(" "));
}
Log.setLogLevel(Log.warn);

function byMp4box(content) {
    const found = { samples: {} };
    const file = createFile(true);
    file.onError = (module, message) => complaints.push(`${module}: ${message}`);
    file.onReady = (info) => {
        found.duration_s = info.fragment_duration.num / info.fragment_duration.den;
        found.isFragmented = info.isFragmented;
        found.tracks = info.tracks.map((track) => track.codec);
        for (const track of info.tracks) {
            found.samples[track.id] = [];
            file.setExtractionOptions(track.id, null, { nbSamples: 1 });
        }
        file.start();
    };
    file.onSamples = (id, _, samples) => found.samples[id].push(...samples.map((it) => it.cts / it.timescale));
    const buffer = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength);
    buffer.fileStart = 0;
    file.appendBuffer(buffer);
    file.flush();
    return found;
}

async function byMediabunny(content) {
    const input = new Input({ source: new BufferSource(content), formats: ALL_FORMATS });
    const found = { duration_s: await input.computeDuration(), tracks: [] };
    for (const track of await input.getTracks()) {
        const shown = [];
        for await (const packet of new EncodedPacketSink(track).packets()) shown.push(packet.timestamp);
        found.tracks.push({ type: track.type, codec: track.codec, shown });
    }
    return found;
}

for (const path of process.argv.slice(2)) {
    const content = await readFile(path);
    complaints.length = 0;
    const found = { mp4box: byMp4box(content), mediabunny: await byMediabunny(content), complaints: [...complaints] };
    process.stdout.write(`${JSON.stringify(found)}\n`);
}
