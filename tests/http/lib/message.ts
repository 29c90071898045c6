// Messages of the Segment protocol, as short as a scenario needs them.
import { randomUUID } from "node:crypto";
import type { Json, Traits } from "./documents.ts";

export type MessageType = "identify" | "track" | "page" | "screen" | "group" | "alias";

export interface Message {
  type: MessageType;
  messageId?: string;
  userId?: string | null;
  anonymousId?: string;
  event?: string;
  name?: string;
  groupId?: string;
  previousId?: string;
  timestamp?: string;
  originalTimestamp?: string;
  sentAt?: string;
  traits?: Traits;
  properties?: Traits;
  context?: Traits;
  [name: string]: Json | undefined;
}

export type Who = Pick<Message, "userId" | "anonymousId">;
export type More = Partial<Message>;

function make(type: MessageType, who: Who, more: More): Message {
  return { type, messageId: randomUUID(), ...who, ...more };
}

export function identify(who: Who, traits: Traits = {}, more: More = {}): Message {
  return make("identify", who, { traits, ...more });
}

export function track(who: Who, event: string, properties: Traits = {}, more: More = {}): Message {
  return make("track", who, { event, properties, ...more });
}

export function page(who: Who, more: More = {}): Message {
  return make("page", who, { name: "Home", ...more });
}

export function alias(userId: string, previousId: string, more: More = {}): Message {
  return make("alias", { userId }, { previousId, ...more });
}

/** Another copy of the same message under an id of its own. */
export function again(message: Message): Message {
  return { ...message, messageId: randomUUID() };
}

export function times<T>(count: number, make_one: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make_one(index));
}

/** Every order of the given things. */
export function permutations<T>(things: readonly T[]): T[][] {
  if (things.length <= 1) return [[...things]];
  return things.flatMap((first, index) => permutations(things.toSpliced(index, 1)).map((rest) => [first, ...rest]));
}

/** Parts of at most `size`. */
export function chunks<T>(things: readonly T[], size: number): T[][] {
  return times(Math.ceil(things.length / size), (index) => things.slice(index * size, (index + 1) * size));
}
