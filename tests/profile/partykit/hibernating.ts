// The party of the table on PartyKit's hibernating API, which differs in places.

import Main from "./main";

export default class Hibernating extends Main {
  options = { hibernate: true };
}
