// report_ask: one report of the workspace that the options name, for every command that makes one.
//
// Layer 8. On a data directory this process makes it, behind a bar where a person looks on, and Ctrl-C ends it; a
// server sends it made. Both give the same bytes.
#pragma once

#include "cli/command.h"
#include "report/report.h"

struct report_ask {
  const char *kind;
  struct bytes options; // JSON
  enum report_form form;
  const char *table; // of CSV; NULL: the first
};

enum err report_ask(struct cli *cli, const struct report_ask *asked, struct buffer *out, struct diag *diag);

enum err report_write_file(const char *path, const struct buffer *text, struct diag *diag);
// To --output, or as the command's answer.
enum err report_give(struct cli *cli, enum report_form form, const struct buffer *text, struct diag *diag);
// ERR_INVALID code "usage": a workbook for a terminal, a table of what has all of them.
enum err report_check_form(const struct cli *cli, enum report_form form, struct diag *diag);
