// A party with a lobby: what happens before a room is asked, and where there is none.

import type * as Party from "partykit/server";

/** A request that has nothing of the one that came. */
function another(room: string) {
  const headers = { "x-lobby": "another" };
  const url = `http://other.example/parties/main/${room}/where?told`;
  return new Request(url, { method: "PATCH", headers, body: "another body" });
}

/** The one that came, at another URL. */
function elsewhere(request: Party.Request, path: string) {
  const other = new Request(`http://other.example/${path}?told&_pk=another`, request as any);
  other.headers.set("x-lobby", "elsewhere");
  return other as any;
}

/** All that a room sees of a request. */
function told(request: Party.Request) {
  return `${request.method} ${request.url} ${request.headers.get("x-lobby")} ${request.headers.get("content-length")}`;
}

export default class Lobby implements Party.Server {
  constructor(readonly room: Party.Room) {}

  static onBeforeConnect(request: Party.Request, lobby: Party.Lobby) {
    const query = new URL(request.url).searchParams;
    if (query.has("fails")) throw new Error(query.get("fails")!);
    if (query.has("refuses")) return new Response("not you", { status: 403 });
    if (query.has("nothing")) return undefined as any;
    if (query.has("elsewhere")) return elsewhere(request, `parties/main/${lobby.id}/where`);
    if (query.has("nowhere")) return elsewhere(request, "no/room");
    request.headers.set("x-lobby", query.has("says") ? request.headers.get(query.get("says")!)! : lobby.id);
    return request;
  }

  static onBeforeRequest(request: Party.Request, lobby: Party.Lobby) {
    const query = new URL(request.url).searchParams;
    if (query.has("fails")) throw new Error(query.get("fails")!);
    if (query.has("refuses")) return new Response("not you", { status: 403 });
    if (query.has("nothing")) return undefined as any;
    if (query.has("another")) return another(lobby.id) as any;
    if (query.has("elsewhere")) return elsewhere(request, `parties/main/${lobby.id}/where`);
    if (query.has("nowhere")) return elsewhere(request, "no/room");
    request.headers.set("x-lobby", query.has("says") ? request.headers.get(query.get("says")!)! : lobby.id);
    return request;
  }

  static onFetch(request: Party.Request) {
    const url = new URL(request.url);
    if (url.pathname === "/fails") throw new Error("told to fail");
    if (url.pathname === "/null") return null as any;
    return new Response(`fetched ${url.pathname}`);
  }

  static async onSocket(socket: Party.FetchSocket) {
    const url = new URL(socket.request.url);
    socket.send(`socket of ${url.pathname}`);
    socket.addEventListener("message", ({ data }) => {
      if (data === "close") socket.close(4001, "as you say");
      else if (data === "fail") throw new Error("told to fail");
      else if (typeof data === "string") socket.send(`heard ${data}`);
      else socket.send(`heard ${data.byteLength} bytes`);
    });
    if (url.pathname === "/fails") throw new Error("told to fail");
    if (url.pathname === "/fails-without-words") throw new Error("");
    if (url.pathname === "/closes") socket.close(4000, "bye");
    if (url.pathname.startsWith("/waits")) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      socket.send("waited");
      if (url.pathname === "/waits-and-fails") throw new Error("told to fail late");
    }
    if (url.pathname === "/who") {
      const asked = socket.request.headers.get("x-asked");
      socket.send(`${socket.request.method} ${url.pathname}${url.search} ${asked}`);
    }
  }

  static onCron(_: Party.Cron) {}

  onConnect(connection: Party.Connection, { request }: Party.ConnectionContext) {
    connection.send(String(request.headers.get("x-lobby")));
    if (request.url.includes("told")) connection.send(`${connection.id} ${told(request as any)}`);
  }

  async onRequest(request: Party.Request) {
    if (request.url.includes("told")) return new Response(`${told(request)} ${await request.text()}`);
    return new Response(String(request.headers.get("x-lobby")));
  }
}
