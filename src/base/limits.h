// limits: every bound of the product, in one place.
//
// Layer 0. A queue, a batch, a key, a document or a loop has its bound here; passing it is a clear error that
// names the bound. Settings may lower some of them; nothing raises one.
#pragma once

enum {
  LIMIT_BODY_BYTES = 4 * 1024 * 1024, // an HTTP body after gunzip
  LIMIT_BATCH_EVENTS = 5000,          // events in one request
  LIMIT_EVENT_BYTES = 32 * 1024,      // one event as JSON text
  LIMIT_ASIDE_BYTES = 256 * 1024,     // a rejected event kept for correction; larger ones keep only the reason
  LIMIT_JSON_DEPTH = 32,              // nested containers in one document
  LIMIT_JSON_MEMBERS = 4096,          // members of one object, and items of one array
  LIMIT_NAME_BYTES = 256,             // a member name, an event name, a trait name
  LIMIT_REASON_BYTES = 1024,          // why a person parted a customer
  LIMIT_NAMES = 65536,                // names of the dictionary; later ones are stored inline
  LIMIT_DECIMAL_DIGITS = 34,          // significant digits of a number
  LIMIT_IDENTIFIER_BYTES = 256,       // a normalised identifier value
  LIMIT_MESSAGE_ID_BYTES = 256,       // a messageId
  LIMIT_EVENT_IDENTIFIERS = 16,       // identifiers on one event
  LIMIT_CUSTOMER_IDENTIFIERS = 512,   // identifiers of one customer
  LIMIT_CUSTOMER_TRAITS = 512,        // named traits of one customer
  LIMIT_TXN_CUSTOMERS = 64,           // customers that one transaction locks
  LIMIT_MERGE_EVENTS = 2000,          // events that the merges of one transaction move; more are moved later, in steps
  LIMIT_HEAVY_EVENTS = 20000,         // a customer with more events is heavy
  LIMIT_LOCK_WORDS = 1 << 20,         // lock words of one class
  LIMIT_PAGE_ROWS = 1000,             // rows of one page of any listing
  LIMIT_CHUNK_EVENTS = 190,           // events in one timeline chunk before it splits
};
