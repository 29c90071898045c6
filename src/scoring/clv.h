// clv: how often a customer will buy, whether she still does, and what that is worth.
//
// Layer 5. Pure: no I/O, no globals. A customer is three numbers: how often she bought again, when she last did and for
// how long she has been one. Four models give them a probability; each has four positive parameters, found by maximum
// likelihood. What an order is worth is the Gamma-Gamma model, with three. docs/methods.md has each formula with its
// source.
//
// Times are in any one unit, counted from the customer's first order; parameters and horizons are in the same. Equal
// customers are counted, not repeated, so that a million are fitted in seconds. Sums are made in a fixed order: the
// same customers in the same order give the same bytes. Everything returned is finite. Memory: scratch of a fit only.
// Threads: pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"

enum clv_model {
  CLV_BGNBD,      // r, alpha, a, b       buys at a rate, may leave after each order but the first
  CLV_MBGNBD,     // r, alpha, a, b       the same, may leave after the first too
  CLV_PARETO_NBD, // r, alpha, s, beta    buys at a rate, may leave at any time
  CLV_BGBB,       // alpha, beta, gamma, delta   buys or not at each of some occasions, may leave before each
  CLV_MODELS
};
enum { CLV_PARAMETERS = 4, CLV_SPEND_PARAMETERS = 3, CLV_OCCASIONS_MAX = 10000 };

// "bgnbd", and what its parameters are called. Static storage.
const char *clv_model_name(enum clv_model model);
const char *clv_parameter_name(enum clv_model model, int index);

struct clv_history {
  double frequency; // orders after the first; of BG/BB: occasions that were taken
  double recency;   // from the first order to the last, 0 without another; of BG/BB: the last occasion taken
  double age;       // from the first order to the end of what was seen; of BG/BB: how many occasions there were
  double weight;    // how many customers are like this: 1
};

// What is wrong with a history, in words. ERR_INVALID, code "bad_history".
enum err clv_check(enum clv_model model, const struct clv_history *history, struct diag *diag);

enum clv_outcome {
  CLV_CONVERGED, // no slope is left
  CLV_RUNAWAY,   // the likelihood rises for ever as a parameter grows or shrinks: the data do not hold it
  CLV_STOPPED,   // steps ran out
};

struct clv_fit {
  enum clv_model model;
  double parameters[CLV_PARAMETERS]; // in the order of the model's names
  double log_likelihood;
  enum clv_outcome outcome;
  int runaway;          // which parameter
  int starts, agreeing; // how many of the starts came to the same likelihood
  int steps;
  size_t groups;    // different histories
  double customers; // sum of the weights
};

// Maximum likelihood from several starts, each tried on at most some ten thousand different histories; the best goes on
// over all. ERR_INVALID code "bad_history" (the diag's field names which), "no_customers" or "no_repeats";
// ERR_NO_MEMORY.
enum err clv_fit(enum clv_model model, const struct clv_history *histories, size_t count, struct clv_fit *fit,
                 struct diag *diag);

// The log likelihood of one history; what clv_fit sums.
double clv_log_likelihood(const struct clv_fit *fit, const struct clv_history *history);

// The probability that she is still a customer. 1 minus it is her churn.
double clv_alive(const struct clv_fit *fit, const struct clv_history *history);

// Orders that are expected of her within `horizon` from now; of BG/BB: occasions taken of the next `horizon` ones.
double clv_orders(const struct clv_fit *fit, const struct clv_history *history, double horizon);

// Orders after the first that are expected of a new customer within `time`.
double clv_orders_of_new(const struct clv_fit *fit, double time);

// The probability that a new customer has ordered `count` times more within `time`. Of BG/NBD and MBG/NBD; else NaN.
double clv_probability(const struct clv_fit *fit, double time, unsigned count);

// --- what an order is worth ----------------------------------------------------------------------------------

struct clv_spend {
  double frequency; // orders that the mean is of, above 0
  double mean;      // above 0
  double weight;
};

struct clv_spend_fit {
  double p, q, v;
  double log_likelihood;
  enum clv_outcome outcome;
  int runaway, starts, agreeing, steps;
  size_t groups;
  double customers;
  double correlation; // of frequency and mean, which the model takes for 0; 0 where there is none
};

const char *clv_spend_parameter_name(int index);

// Errors as of clv_fit.
enum err clv_spend_fit(const struct clv_spend *spends, size_t count, struct clv_spend_fit *fit, struct diag *diag);

// What an order of hers is expected to be worth; frequency 0: of somebody of whom nothing is known. NaN where the model
// has no mean, which is at q <= 1.
double clv_spend_expected(const struct clv_spend_fit *fit, double frequency, double mean);

// Value of the orders expected within `horizon`, each of `worth`: step by step of `step`, discounted at the end of each
// by the share `rate` a step. Rate 0: orders times worth.
double clv_value(const struct clv_fit *fit, const struct clv_history *history, double worth, double horizon,
                 double step, double rate);
