// SPDX-License-Identifier: Apache-2.0
// One event, as the agent wrote it, in plain words: what happened, hop by hop, on which evidence, and how sure. Pure;
// the event may come from a log that anybody wrote.
#pragma once

#include <string>

#include "userspace/base/result.h"

namespace mtlswatch {

/// Errors: the line is no event of mtlswatch.
Result<std::string> explain_text(const std::string& event, bool with_colour);
/// event.id of a line of the log; empty if it has none.
std::string event_id_in_json(const std::string& line);
/// One line of a table for `events`: time, kind, verdict or outcome, reason, backend, who, what.
Result<std::string> event_line(const std::string& event, bool with_colour);

}  // namespace mtlswatch
