// shapley: what each channel adds, on average over all orders in which channels could have come together.
//
// Layer 5. Pure. Two games are told apart, for both go by that name:
// - the subset game: a set of channels is worth the conversions of all paths that have no other channel. Its Shapley
//   value has a closed form: the conversions of a path are shared evenly by its distinct channels (Zhao, Mahboobi,
//   Bagheri 2018, "Shapley value methods for attribution modeling in online advertising"). Any number of channels.
// - the rate game: a set is worth the part of those paths that converts. Every set counts, so at most
//   SHAPLEY_RATE_CHANNELS_MAX channels. Its values are scaled to the conversions of all paths, and can be negative.
#pragma once

#include "attribution/paths.h"

enum { SHAPLEY_RATE_CHANNELS_MAX = 20 };

// Adds each channel's credit to `conversions` and `value`, by channel.
enum err shapley_subset(const struct paths *paths, double *conversions, double *value, struct diag *diag);

// ERR_LIMIT code "too_many_channels": the message has the count of channels that are on a path.
enum err shapley_rate(const struct paths *paths, double *conversions, double *value, struct diag *diag);
