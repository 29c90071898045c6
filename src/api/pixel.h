// pixel: a message made of the parameters of an address.
//
// Layer 8. For mails and pages that can only load an image. `data` holds a whole message as base64 JSON; without it the
// parameters are the message: those of the protocol by their names, all others become properties.
#pragma once

#include "api/request.h"

// Writes the message to request->json (in its arena). ERR_INVALID codes "bad_data" and "missing_event".
enum err pixel_message(struct request *request, struct diag *diag);
