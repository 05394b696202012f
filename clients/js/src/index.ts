export { WritError } from "./error.ts";
export type { Credentials, Listener, Mode, Options, Reason, User, Writ } from "./types.ts";
export { createWrit } from "./writ.ts";
