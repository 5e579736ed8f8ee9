// Runs the models of a job in onnxruntime-web, sends their outputs back, and then lets them take turns.
//
// The job: {models: {name: url}, feeds: [{input: {url, shape}}], outputs: [name], seconds, rounds, sampleMs}. The first
// model is the baseline; it is loaded twice, once more under the name "copy". Everything is posted to the server:
// /output/MODEL/SET/NAME the values, /shape/.. the shape, /failed/MODEL what went wrong, /done the times of all rounds: wall time, and, where
// the server knows it, CPU time.

import * as ort from "/ort/ort.wasm.min.mjs";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = "/ort/";
ort.env.logLevel = "error";

const COPY = "copy";
const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };

const post = (path, body) => fetch(path, { method: "POST", body });
const bytes = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

async function tensors(feed) {
  const made = {};
  for (const [name, { url, shape }] of Object.entries(feed)) {
    made[name] = new ort.Tensor("float32", new Float32Array((await bytes(url)).buffer), shape);
  }
  return made;
}

async function load(url) {
  return ort.InferenceSession.create(await bytes(url), options);
}

async function sendOutputs(name, session, feeds, outputs) {
  await post(`/loaded/${name}`, "");
  for (const [place, feed] of feeds.entries()) {
    const found = await session.run(feed);
    for (const output of outputs) {
      await post(`/shape/${name}/${place}/${output}`, JSON.stringify(found[output].dims));
      await post(`/output/${name}/${place}/${output}`, found[output].data.slice().buffer);
    }
  }
}

const cpu = async () => Number(await (await fetch("/cpu")).text()); // milliseconds; 0 where it is not known

async function timed(session, feed, runs) {
  const cpuBegan = await cpu();
  const began = performance.now();
  for (let run = 0; run < runs; run += 1) await session.run(feed);
  const passed = performance.now() - began;
  return { wall: passed / runs, cpu: ((await cpu()) - cpuBegan) / runs };
}

function shuffled(names) {
  const left = [...names];
  for (let last = left.length - 1; last > 0; last -= 1) {
    const place = Math.floor(Math.random() * (last + 1));
    [left[last], left[place]] = [left[place], left[last]];
  }
  return left;
}

async function race(sessions, feed, job) {
  const names = Object.keys(sessions);
  const repeats = {};
  const times = {};
  for (const name of names) {
    const single = [];
    for (let run = 0; run < 5; run += 1) single.push((await timed(sessions[name], feed, 1)).wall);
    repeats[name] = Math.max(1, Math.ceil(job.sampleMs / Math.min(...single)));
    times[name] = [];
  }
  const began = performance.now();
  for (let round = 0; round < job.rounds || performance.now() - began < job.seconds * 1000; round += 1) {
    for (const name of shuffled(names)) {
      if (repeats[name] > 1) await sessions[name].run(feed); // fetches back what the one before displaced from caches
      times[name].push(await timed(sessions[name], feed, repeats[name]));
    }
  }
  return times;
}

async function main() {
  const job = await (await fetch("/job.json")).json();
  const feeds = [];
  for (const feed of job.feeds) feeds.push(await tensors(feed));
  const sessions = {};
  for (const [name, url] of Object.entries(job.models)) {
    try {
      const session = await load(url);
      await sendOutputs(name, session, feeds, job.outputs);
      sessions[name] = session;
    } catch (error) {
      await post(`/failed/${name}`, String(error));
    }
  }
  const [first] = Object.keys(job.models);
  let times = {};
  if (first in sessions && job.seconds > 0) {
    sessions[COPY] = await load(job.models[first]);
    times = await race(sessions, feeds[0], job);
  }
  await post("/done", JSON.stringify({ times, agent: navigator.userAgent }));
}

main().catch((error) => post("/done", JSON.stringify({ times: {}, message: String(error) })));
