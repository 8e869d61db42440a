// SPDX-License-Identifier: Apache-2.0
// status, events, explain: they ask the running agent through its admin socket.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <optional>

#include "userspace/app/admin_socket.h"
#include "userspace/app/ask.h"
#include "userspace/app/commands.h"
#include "userspace/app/event_filter.h"
#include "userspace/app/explain_json.h"
#include "userspace/app/status_json.h"
#include "userspace/app/status_text_json.h"
#include "userspace/app/text_table.h"

namespace mtlswatch {
namespace {

int fail(ExitCode code, const std::string& message) {
  fmt::print(stderr, "mtlswatch: {}\n", message);
  return code;
}

/// The last line of a log with this event.id. A log line may be torn, or somebody else's.
Result<std::string> find_in_log(const std::string& file, const std::string& id) {
  std::ifstream log(file, std::ios::binary);
  if (!log) return system_error("open " + file, errno);
  std::optional<std::string> found;
  for (std::string line; std::getline(log, line);) {
    if (line.find(id) != std::string::npos && event_id_in_json(line) == id) found = line;
  }
  return found ? Result<std::string>(*found) : Error{file + " has no event \"" + id + "\""};
}

}  // namespace

int status(const AskOptions& options) {
  const auto answer = ask(options, {.command = "status", .id = "", .filter = ""});
  if (!answer) return fail(kExitRuntime, answer.error().message);
  const auto shown = status_text(*answer, may_colour(stdout));
  if (!shown) return fail(kExitRuntime, shown.error().message);
  fmt::print("{}", options.json ? *answer + "\n" : shown->text);
  return shown->is_good ? kExitOk : kExitDegraded;
}

int events(const AskOptions& options, const std::string& filter, bool follow) {
  const auto parsed = EventFilter::parse(filter);
  if (!parsed) return fail(kExitUsage, parsed.error().message);
  const auto socket = socket_of(options);
  if (!socket) return fail(kExitRuntime, socket.error().message);
  const bool with_colour = may_colour(stdout);
  std::string refusal;
  const Status asked = ask_agent(
      *socket, request_json({"events", "", filter, follow}),
      [&](const std::string& line) {
        if (const auto error = error_in_json(line)) {
          refusal = *error;
          return false;
        }
        const auto shown = options.json ? Result<std::string>(line + "\n") : event_line(line, with_colour);
        fmt::print("{}", shown ? *shown : shown.error().message + "\n");
        return std::fflush(stdout) == 0;
      },
      follow);
  if (!asked) return fail(kExitRuntime, asked.error().message);
  return refusal.empty() ? kExitOk : fail(kExitRuntime, refusal);
}

int explain(const AskOptions& options, const std::string& id, const std::string& log) {
  const auto event = log.empty() ? ask(options, {.command = "explain", .id = id, .filter = ""}) : find_in_log(log, id);
  if (!event) return fail(kExitRuntime, event.error().message);
  const auto text = explain_text(*event, may_colour(stdout));
  if (!text) return fail(kExitRuntime, text.error().message);
  fmt::print("{}", options.json ? *event + "\n" : *text);
  return kExitOk;
}

}  // namespace mtlswatch
