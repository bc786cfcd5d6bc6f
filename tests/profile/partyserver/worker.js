// A Worker that routes as partyserver's README has it. Options and classes stand in the configuration (`../sides.rs`).

import { routePartykitRequest } from "partyserver";

export * from "./classes.js";

/** A request that has nothing of the one that came. */
function another(room) {
  const headers = { "x-lobby": "another" };
  const url = `http://other.example/parties/main/${room}/where?told`;
  return new Request(url, { method: "PATCH", headers, body: "another body" });
}

/** The one that came, at another URL. */
function elsewhere(request, path) {
  const other = new Request(`http://other.example/${path}?told&_pk=another`, request);
  other.headers.set("x-lobby", "elsewhere");
  return other;
}

/** What happens before a room is asked. */
function before(request, lobby) {
  const query = new URL(request.url).searchParams;
  if (query.has("fails")) throw new Error(query.get("fails"));
  if (query.has("refuses")) return new Response("not you", { status: 403 });
  if (query.has("nothing")) return undefined;
  if (query.has("another")) return another(lobby.name);
  if (query.has("elsewhere")) return elsewhere(request, `parties/main/${lobby.name}/where`);
  if (query.has("nowhere")) return elsewhere(request, "no/room");
  if (query.has("namespace")) return new Response(request.headers.get("x-partykit-namespace"));
  request.headers.set("x-lobby", lobby.name);
  return request;
}

/** What happens where no room is. */
function nowhere(request) {
  const url = new URL(request.url);
  if (url.pathname === "/fails") throw new Error("told to fail");
  if (url.pathname === "/null") return null;
  return new Response(`fetched ${url.pathname}`);
}

export default {
  async fetch(request, env) {
    const { hooks, ...options } = env.options;
    if (hooks) Object.assign(options, { onBeforeConnect: before, onBeforeRequest: before });
    return (
      (await routePartykitRequest(request, env, options)) ??
      (hooks && nowhere(request)) ??
      new Response("Not Found", { status: 404 })
    );
  },
};
