// reply: a request's answer on its way out: headers, body, counters, log line.
//
// Layer 8. Threads: called by the MHD thread that owns the connection.
#pragma once

#include <microhttpd.h>

#include "api/request.h"

// Queues what the request holds. MHD_NO closes the connection.
enum MHD_Result reply_queue(struct request *request);
