// listen: an address in words becomes a listening socket.
//
// Layer 8. Done here and not by the HTTP library, so that a wrong address and a taken port have words of their own.
#pragma once

#include <stdint.h>

#include "base/diag.h"

// Opens a non-blocking listening socket for "127.0.0.1:8080", "[::1]:0" or "localhost:8080" and tells its port.
// ERR_INVALID code "bad_address", ERR_BUSY code "address_in_use", ERR_IO code "cannot_listen".
enum err listen_open(const char *address, int *fd, uint16_t *port, struct diag *diag);
