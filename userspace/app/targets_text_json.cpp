// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/targets_text_json.h"

#include "userspace/app/json_value.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

/// A line below a row, if there is something to say.
std::string note(const std::string& label, const std::string& text) {
  return text.empty() ? "" : fmt::format("{:>9} {}{}\n", "", label, text);
}

std::string what_is(const json& process) {
  const std::string backend = json_text(process, "/backend");
  if (!backend.empty()) return "backend " + backend;
  return json_text(process, "/front") == "true" ? "front" : "server";
}

std::string trust_text(const json& process) {
  const std::string state = json_text(process, "/trust/state");
  const bool is_learnt = state == "not yet" || state == "believed" || state == "contradicted";
  if (!is_learnt) return state;
  return fmt::format("{}, {} agreed with the sockets, {} did not", state, json_text(process, "/trust/agreements"),
                     json_text(process, "/trust/contradictions"));
}

std::string process_text(const json& process, bool with_colour) {
  const std::string coverage = json_text(process, "/tls/coverage");
  const std::string shown = fmt::format("{:<9}", coverage.empty() ? "-" : coverage);
  std::string text = fmt::format("{:>7}  {:<16} {:<18} {} {}\n", json_text(process, "/pid"),
                                 json_text(process, "/name"), what_is(process),
                                 coloured(shown, colour_of(coverage), with_colour), json_text(process, "/executable"));
  for (const json& listener : json_at(process, "/listeners")) text += note("listens on ", json_text(listener, ""));
  for (const json& reason : json_at(process, "/reasons")) text += note("", json_text(reason, ""));
  for (const json& library : json_at(process, "/tls/libraries")) text += note("maps ", json_text(library, ""));
  text += note("TLS: ", json_text(process, "/tls/reason"));
  text += note("witness of its streams: ", json_text(process, "/stream_witness"));
  return text + note("its witnesses: ", trust_text(process));
}

std::string library_text(const json& library, bool with_colour) {
  const std::string version = json_text(library, "/version");
  const std::string coverage = json_text(library, "/coverage");
  std::string text = fmt::format("\n{}  {}  {}  build-id {}\n", json_text(library, "/path"),
                                 version.empty() ? json_text(library, "/name") : version,
                                 coloured(coverage, colour_of(coverage), with_colour), json_text(library, "/build_id"));
  for (const char* remark : {"/cannot_see", "/cost", "/failure"}) {
    if (const std::string words = json_text(library, remark); !words.empty()) text += "  " + words + "\n";
  }
  for (const json& probe : json_at(library, "/probes")) {
    text += fmt::format("  {:<28} {:>10}  {:<15} {:<14} {}\n", json_text(probe, "/symbol"),
                        json_text(probe, "/file_offset"), json_text(probe, "/placement"),
                        json_text(probe, "/emulated") == "true" ? "emulated" : "single-stepped",
                        json_text(probe, "/instruction"));
  }
  for (const json& symbol : json_at(library, "/unplaced")) {
    text += fmt::format("  {:<28} not placed: {}\n", json_text(symbol, "/symbol"), json_text(symbol, "/reason"));
  }
  return text;
}

}  // namespace

Result<std::string> targets_text(const std::string& targets_json, bool with_colour) {
  const json targets = json::parse(targets_json, nullptr, false);
  if (!targets.is_object() || !targets.contains("processes")) return Error{"the agent's answer is no list of targets"};
  std::string text = fmt::format("{:>7}  {:<16} {:<18} {:<9} {}\n", "PID", "NAME", "WHAT", "TLS", "EXECUTABLE");
  for (const json& process : json_at(targets, "/processes")) text += process_text(process, with_colour);
  for (const json& library : json_at(targets, "/libraries")) text += library_text(library, with_colour);
  return text;
}

}  // namespace mtlswatch
