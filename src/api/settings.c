// What browser SDKs ask for before they send: their configuration, which points them back at this server.
//
// @segment/analytics-next reads integrations["Segment.io"] (apiHost with its path, protocol) and needs nothing else to
// be non-empty. @rudderstack/analytics-js wants source.id, source.config and source.destinations; older versions of it
// also read source.dataplanes.
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/server.h"

enum { HOST_BYTES_MAX = 255, URL_BYTES = HOST_BYTES_MAX + 16 };

static bool is_host(struct bytes host) {
  static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
  if (host.size_bytes == 0 || host.size_bytes > HOST_BYTES_MAX) return false;
  for (size_t i = 0; i < host.size_bytes; i++) {
    if (!host.data[i] || !strchr(allowed, host.data[i])) return false;
  }
  return true;
}

static const char *protocol_of(const struct request *request) {
  struct bytes forwarded = request_header(request, "X-Forwarded-Proto");
  return bytes_equal_ascii_case(bytes_trim(forwarded), BYTES("https")) ? "https" : "http";
}

static enum err host_of(const struct request *request, struct bytes *host, struct diag *diag) {
  *host = bytes_trim(request_header(request, "Host"));
  if (is_host(*host)) return ERR_OK;
  return diag_set(diag, ERR_INVALID, "bad_host", "The Host header is missing or is not a host name.");
}

static void empty_object(struct json_writer *writer, const char *name) {
  json_name(writer, name);
  json_object_begin(writer);
  json_object_end(writer);
}

static void empty_array(struct json_writer *writer, const char *name) {
  json_name(writer, name);
  json_array_begin(writer);
  json_array_end(writer);
}

static void write_segment(struct json_writer *writer, struct bytes key, const char *api_host, const char *protocol) {
  json_object_begin(writer);
  json_name(writer, "integrations");
  json_object_begin(writer);
  json_name(writer, "Segment.io");
  json_object_begin(writer);
  json_member_bytes(writer, "apiKey", key);
  json_member_text(writer, "apiHost", api_host);
  json_member_text(writer, "protocol", protocol);
  json_member_bool(writer, "addBundledMetadata", true);
  empty_array(writer, "unbundledIntegrations");
  json_member_text(writer, "type", "browser");
  json_object_end(writer);
  json_object_end(writer);
  json_name(writer, "plan");
  json_object_begin(writer);
  empty_object(writer, "track");
  empty_object(writer, "identify");
  empty_object(writer, "group");
  json_object_end(writer);
  empty_object(writer, "edgeFunction");
  json_member_bool(writer, "analyticsNextEnabled", true);
  empty_object(writer, "middlewareSettings");
  empty_object(writer, "enabledMiddleware");
  json_name(writer, "metrics");
  json_object_begin(writer);
  json_member_u64(writer, "sampleRate", 0);
  json_object_end(writer);
  json_member_bool(writer, "legacyVideoPluginsEnabled", false);
  empty_array(writer, "remotePlugins");
  json_object_end(writer);
}

enum err settings_segment(struct request *request, struct worker *worker, struct diag *diag) {
  struct credential credential;
  struct bytes host;
  (void)worker;
  credential_from_text(request->parameters[0], &credential);
  enum err err = request_check_key(request, &credential, ENGINE_SCOPE_COLLECT, diag);
  if (!err) err = host_of(request, &host, diag);
  if (err) return err;
  char api_host[URL_BYTES];
  snprintf(api_host, sizeof api_host, "%.*s/v1", BYTES_ARG(host));
  struct json_writer writer = request_answer(request, 200);
  write_segment(&writer, request->parameters[0], api_host, protocol_of(request));
  return ERR_OK;
}

static void write_switch(struct json_writer *writer, const char *name) {
  json_name(writer, name);
  json_object_begin(writer);
  json_member_bool(writer, "enabled", false);
  json_object_end(writer);
}

static void write_dataplane(struct json_writer *writer, const char *region, const char *url) {
  json_name(writer, region);
  json_array_begin(writer);
  json_object_begin(writer);
  json_member_text(writer, "url", url);
  json_member_bool(writer, "default", true);
  json_object_end(writer);
  json_array_end(writer);
}

static void write_rudderstack(struct json_writer *writer, const struct engine_source *source, struct bytes key,
                              const char *url) {
  char id[32];
  snprintf(id, sizeof id, "source-%u", source ? source->id : 0);
  json_object_begin(writer);
  json_name(writer, "source");
  json_object_begin(writer);
  json_member_text(writer, "id", id);
  json_member_bytes(writer, "name", source ? source->name : BYTES(""));
  json_member_bytes(writer, "writeKey", key);
  json_member_text(writer, "workspaceId", "rapport");
  json_member_bool(writer, "enabled", true);
  json_name(writer, "config");
  json_object_begin(writer);
  json_name(writer, "statsCollection");
  json_object_begin(writer);
  write_switch(writer, "errors");
  write_switch(writer, "metrics");
  json_object_end(writer);
  json_object_end(writer);
  empty_array(writer, "connections");
  empty_array(writer, "destinations");
  json_name(writer, "dataplanes");
  json_object_begin(writer);
  write_dataplane(writer, "US", url);
  write_dataplane(writer, "EU", url);
  json_object_end(writer);
  json_object_end(writer);
  json_object_end(writer);
}

enum err settings_rudderstack(struct request *request, struct worker *worker, struct diag *diag) {
  struct bytes host;
  (void)worker;
  enum err err = host_of(request, &host, diag);
  if (err) return err;
  char url[URL_BYTES];
  snprintf(url, sizeof url, "%s://%.*s", protocol_of(request), BYTES_ARG(host));
  struct json_writer writer = request_answer(request, 200);
  write_rudderstack(&writer, engine_source(request->api->engine, request->key.source), request->key_text, url);
  return ERR_OK;
}
