// The host may be a name that resolves on this machine; the first address it has is taken.
#include "api/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

enum { BACKLOG = 1024, HOST_BYTES = 256, PORT_BYTES = 6 };

static enum err split(const char *address, char host[HOST_BYTES], char port[PORT_BYTES]) {
  const char *colon = strrchr(address, ':');
  if (!colon) return ERR_INVALID;
  const char *start = address;
  size_t size = (size_t)(colon - address);
  if (*address == '[') {
    if (size < 3 || colon[-1] != ']') return ERR_INVALID;
    start++;
    size -= 2;
  } else if (memchr(address, ':', size)) {
    return ERR_INVALID; // an IPv6 address without brackets: which colon ends it cannot be known
  }
  uint64_t number;
  struct bytes text = bytes_from_text(colon + 1);
  if (size == 0 || size >= HOST_BYTES || text.size_bytes >= PORT_BYTES) return ERR_INVALID;
  if (bytes_to_u64(text, &number) || number > UINT16_MAX) return ERR_INVALID;
  memcpy(host, start, size);
  host[size] = 0;
  snprintf(port, PORT_BYTES, "%u", (unsigned)number);
  return ERR_OK;
}

static uint16_t port_of(int fd) {
  struct sockaddr_storage bound;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  socklen_t size = sizeof bound;
  if (getsockname(fd, (struct sockaddr *)&bound, &size)) return 0;
  if (bound.ss_family == AF_INET6) {
    memcpy(&v6, &bound, sizeof v6);
    return ntohs(v6.sin6_port);
  }
  memcpy(&v4, &bound, sizeof v4);
  return ntohs(v4.sin_port);
}

static enum err open_socket(const struct addrinfo *found, const char *address, int *fd, struct diag *diag) {
  int one = 1;
  int made = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (made >= 0) setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (made < 0 || bind(made, found->ai_addr, found->ai_addrlen) || listen(made, BACKLOG)) {
    int cause = errno;
    if (made >= 0) close(made);
    if (cause == EADDRINUSE) {
      return diag_set(diag, ERR_BUSY, "address_in_use", "Another program listens at %s already.", address);
    }
    return diag_set(diag, ERR_IO, "cannot_listen", "Cannot listen at %s: %s.", address, strerror(cause));
  }
  *fd = made;
  return ERR_OK;
}

enum err listen_open(const char *address, int *fd, uint16_t *port, struct diag *diag) {
  char host[HOST_BYTES], service[PORT_BYTES];
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  if (split(address, host, service) || getaddrinfo(host, service, &hints, &found) || !found) {
    if (found) freeaddrinfo(found);
    return diag_set(diag, ERR_INVALID, "bad_address",
                    "\"%.100s\" is not an address to listen at; write it like 127.0.0.1:8080 or [::1]:8080.", address);
  }
  enum err err = open_socket(found, address, fd, diag);
  freeaddrinfo(found);
  if (!err) *port = port_of(*fd);
  return err;
}
