// err: the failure codes every module returns.
//
// Layer 0. A function that can fail returns `enum err`: ERR_OK is 0, every failure is negative.
// Words for a person travel beside the code in a `struct diag` (diag.h). A refusal that is part of the
// domain (a voucher already used, an identifier set aside) is data in a result enum, never one of these.
#pragma once

enum err {
  ERR_OK = 0,
  ERR_INVALID = -1,      // the input breaks its grammar or its contract
  ERR_LIMIT = -2,        // the input is well formed and passes a limit of limits.h
  ERR_NOT_FOUND = -3,    // the thing named does not exist
  ERR_NO_MEMORY = -4,    // an allocation failed; nothing was changed
  ERR_IO = -5,           // the operating system refused a read or a write
  ERR_CONFLICT = -6,     // another writer came first; run the transaction again
  ERR_FULL = -7,         // the disk has less free space than the reserve; reads still work
  ERR_BUSY = -8,         // the resource is held by another process or request
  ERR_CORRUPT = -9,      // stored bytes break an invariant
  ERR_DENIED = -10,      // the key, the scope or the setting forbids it
  ERR_STOPPED = -11,     // the program is shutting down
  ERR_UNSUPPORTED = -12, // this build or backend cannot do it
};

// The stable lower-case word of a code ("invalid", "no_memory"). Static storage; never NULL.
const char *err_name(enum err err);
