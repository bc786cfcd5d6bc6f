// A party with a lobby: what happens before a room is asked, and where there is none.

import type * as Party from "partykit/server";

export default class Lobby implements Party.Server {
  constructor(readonly room: Party.Room) {}

  static onBeforeConnect(request: Party.Request, lobby: Party.Lobby) {
    const query = new URL(request.url).searchParams;
    if (query.has("fails")) throw new Error(query.get("fails")!);
    if (query.has("refuses")) return new Response("not you", { status: 403 });
    if (query.has("nothing")) return undefined as any;
    request.headers.set("x-lobby", query.has("says") ? request.headers.get(query.get("says")!)! : lobby.id);
    return request;
  }

  static onBeforeRequest(request: Party.Request, lobby: Party.Lobby) {
    const query = new URL(request.url).searchParams;
    if (query.has("fails")) throw new Error(query.get("fails")!);
    if (query.has("refuses")) return new Response("not you", { status: 403 });
    if (query.has("nothing")) return undefined as any;
    request.headers.set("x-lobby", query.has("says") ? request.headers.get(query.get("says")!)! : lobby.id);
    return request;
  }

  static onFetch(request: Party.Request) {
    const url = new URL(request.url);
    if (url.pathname === "/fails") throw new Error("told to fail");
    if (url.pathname === "/null") return null as any;
    return new Response(`fetched ${url.pathname}`);
  }

  static onSocket(socket: Party.FetchSocket) {
    if (socket.request.url.endsWith("/fails")) throw new Error("told to fail");
    socket.send(`socket of ${new URL(socket.request.url).pathname}`);
  }

  static onCron(_: Party.Cron) {}

  onConnect(connection: Party.Connection, { request }: Party.ConnectionContext) {
    connection.send(String(request.headers.get("x-lobby")));
  }

  onRequest(request: Party.Request) {
    return new Response(String(request.headers.get("x-lobby")));
  }
}
