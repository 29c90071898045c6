// The documents of the API as the tests read them. That they are as docs/openapi.yaml says is checked on every answer.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Traits = { [name: string]: Json };

export interface Item {
  index: number;
  code: string;
  message: string;
}

/** What became of the events of one request. */
export interface Report {
  success: boolean;
  taken: number;
  duplicates: number;
  rejected: Item[];
  aside: Item[];
  refused?: Item[];
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  field?: string;
}

export interface Identifier {
  type: string;
  value: string;
}

export interface Customer {
  id: string;
  created_at: string;
  updated_at: string;
  identifiers: (Identifier & { first_seen_at: string; source: string })[];
  traits: Traits;
  consents: Traits;
  trace: { aliases: string[]; events: number; [name: string]: Json };
}

export interface Event {
  id: string;
  name: string;
  type: string;
  time: string;
  received_at: string;
  source: string;
  identifiers: Identifier[];
  properties?: Traits;
  traits?: Traits;
  context?: Traits;
  message_id?: string;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Edge {
  id: string;
  a: string | Identifier;
  b: string | Identifier;
  rule: string;
  state: string;
}

export interface Identity {
  customer: string;
  identifiers: Identifier[];
  edges: Edge[];
  devices: (Identifier & { shared: boolean })[];
  refused: { reason?: string; [name: string]: Json | undefined }[];
  cannot_links: Json[];
  history: Json[];
}

export interface Explanation {
  same: boolean;
  customers: (string | null)[];
  path: Json[];
  refused: Json[];
  sentence: string;
}

export interface Found {
  id: string;
  name: string | null;
  email: string | null;
  matched: string;
}

export interface SplitResult {
  customers: string[];
  edges_disabled: Json[];
  cannot_links: Json[];
  events_moved: number;
}

export interface Job {
  id: string;
  kind: "backup" | "check";
  state: "running" | "done" | "failed";
  started_at: string;
  ended_at: string | null;
  progress: { done: number; total: number };
  backup?: { name: string; path: string; bytes: number | null };
  check?: { breaches: number; first: string[] };
  error: { code: string; detail: string } | null;
}

export interface Receipt {
  receipt: string;
  customer: string;
  erased_at: string;
  identifiers: number;
  events: number;
  suppressed: boolean;
}

export interface Aside {
  id: string;
  code: string;
  message: string;
  source: string;
  received_at: string;
  event: Traits | null;
  event_bytes: number;
}

export interface Rules {
  version: number;
  changed_at: string | null;
  author: string;
  rules: {
    types: { [name: string]: { [name: string]: Json } };
    priority: string[];
    blocked: string[];
    [name: string]: Json;
  };
}

export interface Trial {
  customers_now: number;
  customers_then: number;
  would_merge: Json;
  would_part: Json;
}

export interface Rerun {
  status: "never" | "running" | "stopped" | "done";
  version: number;
  in_force: number;
  author: string;
  started_at: string | null;
  ended_at: string | null;
  customers: number;
  done: number;
  merged: number;
  parted: number;
  skipped: number;
}

export interface Schema {
  customers: number;
  sampled: number;
  traits: { name: string; types: Json; sources: Json; fill_rate: number; examples: Json[]; personal: boolean }[];
  events: { name: string; customers: number; count: number; properties: Json[] }[];
}

export interface Stats {
  customers: number;
  events: number;
  identifiers: number;
  merges: number;
  splits: number;
  set_aside: number;
  duplicates: number;
  erased: number;
}

export interface Source {
  id: number;
  name: string;
  kind: string;
  region: string;
  user_id_type: string;
  priority: number;
}

export interface Key {
  id: number;
  kind: string;
  name: string;
  source: string;
  scopes: string[];
}

export interface NewKey extends Key {
  key: string;
}
