// attribute_workspace: `rapport attribute` of a workspace, which is the report of that name.
#pragma once

#include "cli/command.h"

// Without --paths, and with a workspace to look at.
bool attribute_is_of_workspace(const struct options *options);
enum err attribute_workspace(struct cli *cli, struct diag *diag);
