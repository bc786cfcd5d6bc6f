// A party that takes requests and does not answer them.

import type * as Party from "partykit/server";

export default class Answerless implements Party.Server {
  onRequest(): any {
    return undefined;
  }
}
