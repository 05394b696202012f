import { createContext, createElement, useContext, useSyncExternalStore, type ReactNode } from "react";
import type { User, Writ } from "./types.ts";

const Context = createContext<Writ | undefined>(undefined);

/** Hands the client to all components within. Make the client once, outside of components. */
export function WritProvider({ writ, children }: { writ: Writ; children?: ReactNode }): ReactNode {
  return createElement(Context.Provider, { value: writ }, children);
}

/** The client of the nearest {@link WritProvider}; without one it throws. */
export function useWrit(): Writ {
  const writ = useContext(Context);
  if (!writ) throw new Error("useWrit needs a <WritProvider writ={…}> around it");
  return writ;
}

/** Who is signed in, kept up to date; null: nobody; undefined: not known yet, as on a server. */
export function useUser(): User | null | undefined {
  const writ = useWrit();
  return useSyncExternalStore(
    writ.onChange,
    () => writ.user,
    () => undefined,
  );
}
