// What docs/openapi.yaml promises, held against what a server answers. An address, a status or a body that is not
// described is a failure.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { parse } from "yaml";
import { REPOSITORY } from "./program.ts";

type Json = Record<string, unknown>;

interface Route {
  path: string;
  pattern: RegExp;
  literals: number;
  operations: Json;
}

export interface Exchange {
  method: string;
  path: string;
  status: number;
  contentType: string;
  body: Buffer;
}

const METHODS = new Set(["get", "put", "post", "delete", "options", "head", "patch"]);

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function escape(part: string): string {
  return part.replaceAll("~", "~0").replaceAll("/", "~1");
}

function routeOf(path: string, operations: Json): Route {
  const parts = path
    .split("/")
    .map((part) => (/^\{[^}]+\}$/.test(part) ? "[^/]+" : part.replace(/[.*+?^$()|[\]\\]/g, "\\$&")));
  const literals = parts.filter((part) => part !== "[^/]+").length;
  return { path, pattern: new RegExp(`^${parts.join("/")}$`), literals, operations };
}

export class OpenApi {
  private readonly document: Json;
  private readonly routes: Route[];
  private readonly ajv: Ajv2020;
  private readonly checks = new Map<string, ValidateFunction>();

  constructor(file: string) {
    const document: unknown = parse(readFileSync(file, "utf8"), { maxAliasCount: -1 }); // our own file
    if (!isObject(document) || !isObject(document["paths"])) throw new Error(`${file} has no paths`);
    this.document = document;
    this.routes = Object.entries(document["paths"])
      .filter((entry): entry is [string, Json] => isObject(entry[1]))
      .map(([path, operations]) => routeOf(path, operations))
      .sort((a, b) => b.literals - a.literals);
    this.ajv = new Ajv2020({ strict: false, allErrors: true });
    formats.default(this.ajv);
    this.ajv.addFormat("int64", true);
    this.ajv.addSchema(document, "openapi");
  }

  /** "GET /v1/customers/{ref}" of every operation. */
  operations(): string[] {
    return this.routes.flatMap(({ path, operations }) =>
      Object.keys(operations)
        .filter((name) => METHODS.has(name))
        .map((name) => `${name.toUpperCase()} ${path}`),
    );
  }

  private resolve(pointer: string): { value: unknown; pointer: string } {
    let value: unknown = this.document;
    for (const part of pointer.split("/").slice(1)) {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      value = isObject(value) ? value[name] : undefined;
    }
    const reference = isObject(value) ? value["$ref"] : undefined;
    return typeof reference === "string" ? this.resolve(reference.slice(1)) : { value, pointer };
  }

  /** What is wrong with an answer; undefined when it is as described. */
  fault(exchange: Exchange): string | undefined {
    const path = exchange.path.replace(/\?.*/s, "");
    const route = this.routes.find(({ pattern }) => pattern.test(path));
    const name = exchange.method.toLowerCase();
    // Addresses and methods that do not exist have their refusals described once, for all.
    if (!route || !isObject(route.operations[name])) return this.strangerFault(exchange, name, route !== undefined);
    const at = `/paths/${escape(route.path)}/${name}/responses`;
    const status = [String(exchange.status), `${Math.floor(exchange.status / 100)}XX`, "default"].find(
      (candidate) => this.resolve(`${at}/${candidate}`).value !== undefined,
    );
    if (status === undefined) return `${name} ${route.path}: status ${exchange.status} is not described`;
    return this.contentFault(exchange, `${at}/${status}`, `${name} ${route.path} ${exchange.status}`);
  }

  private strangerFault(exchange: Exchange, name: string, known: boolean): string | undefined {
    if (name === "options" && exchange.status === 204 && known) return undefined;
    const expected = known ? [405] : [404, 400];
    if (!expected.includes(exchange.status))
      return `${name} ${exchange.path}: not described, and answered ${exchange.status}`;
    return this.schemaFault(exchange, "/components/schemas/Problem", `${name} ${exchange.path}`);
  }

  private contentFault(exchange: Exchange, pointer: string, where: string): string | undefined {
    const { value, pointer: at } = this.resolve(pointer);
    const content = isObject(value) ? value["content"] : undefined;
    if (!isObject(content)) return exchange.body.length === 0 ? undefined : `${where}: a body, and none is described`;
    const type = exchange.contentType.split(";")[0]?.trim() ?? "";
    const described = content[type];
    if (!isObject(described)) return `${where}: content type "${type}" is not described`;
    if (described["schema"] === undefined || !type.endsWith("json") || type.endsWith("ndjson")) return undefined;
    return this.schemaFault(exchange, `${at}/content/${escape(type)}/schema`, where);
  }

  private schemaFault(exchange: Exchange, pointer: string, where: string): string | undefined {
    let body: unknown;
    try {
      body = JSON.parse(exchange.body.toString("utf8"));
    } catch {
      return `${where}: the body is no JSON: ${exchange.body.toString("utf8", 0, 200)}`;
    }
    let check = this.checks.get(pointer);
    if (!check) {
      check = this.ajv.compile({ $ref: `openapi#${encodeURI(pointer)}` });
      this.checks.set(pointer, check);
    }
    if (check(body)) return undefined;
    return `${where}: ${this.ajv.errorsText(check.errors)}\n${exchange.body.toString("utf8", 0, 1000)}`;
  }
}

let shared: OpenApi | undefined;

export function openApi(): OpenApi {
  shared ??= new OpenApi(join(REPOSITORY, "docs/openapi.yaml"));
  return shared;
}
