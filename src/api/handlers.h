// handlers: the functions behind the routes, declared from the table itself.
//
// Layer 8. Each is a route_handler. A name that several lines use is declared several times, which C allows.
#pragma once

#include "api/route.h"

#define ROUTE(method, pattern, handler, scope, flags, detail) route_handler handler;
#include "api/routes.def"
#undef ROUTE
