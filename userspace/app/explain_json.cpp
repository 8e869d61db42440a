// SPDX-License-Identifier: Apache-2.0
#include "userspace/app/explain_json.h"

#include <string_view>

#include "userspace/app/explain_words.h"
#include "userspace/app/json_value.h"

namespace mtlswatch {
namespace {

using nlohmann::json;

std::string or_else(std::string text, const char* otherwise) { return text.empty() ? otherwise : text; }

std::string words_or(std::string_view words, const std::string& otherwise) {
  return words.empty() ? otherwise : std::string(words);
}

/// Wraps at 100 columns, every line indented.
std::string paragraph(const std::string& text, const std::string& indent) {
  constexpr std::size_t kColumns = 100;
  std::string result = indent;
  std::size_t column = indent.size();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const bool is_first = column == indent.size();
    const bool fits = is_first || column + 1 + (end - at) <= kColumns;
    if (!fits) column = indent.size();
    result += (fits ? is_first ? "" : " " : "\n" + indent) + text.substr(at, end - at);
    column += (fits && !is_first ? 1 : 0) + (end - at);
    at = end + 1;
  }
  return result + "\n";
}

std::string process_text(const json& process) {
  return fmt::format("{} (pid {}, {})", or_else(json_text(process, "/name"), "a process"),
                     or_else(json_text(process, "/pid"), "unknown"),
                     or_else(json_text(process, "/executable"), "executable unknown"));
}

std::string certificate_text(const json& event) {
  const json& facts = json_at(event, "/mtlswatch/client_certificate");
  std::string text;
  const json& presented = json_at(facts, "/presented");
  if (!presented.is_boolean()) return "";
  if (!presented.get<bool>()) return "  client certificate: none was presented\n";
  const std::string code = json_text(facts, "/verify_code");
  text += fmt::format("  client certificate: presented, verification {}\n",
                      code.empty() ? "was not seen" : "gave " + code + " (" + json_text(facts, "/verify_text") + ")");
  const json& x509 = json_at(event, "/tls/client/x509");
  const std::string subject = json_text(x509, "/subject/distinguished_name");
  if (subject.empty()) return text;
  text += fmt::format("    subject {}\n    issuer  {}\n    serial  {}, valid {} to {}\n", subject,
                      json_text(x509, "/issuer/distinguished_name"), json_text(x509, "/serial_number"),
                      json_text(x509, "/not_before"), json_text(x509, "/not_after"));
  return text;
}

/// What our own verification says, where a `client_ca` is configured.
std::string client_ca_text(const json& event) {
  const json& own = json_at(event, "/mtlswatch/client_ca");
  const std::string result = json_text(own, "/result");
  if (result.empty()) return "";
  const std::string code = json_text(own, "/verify_code"), disagreement = json_text(own, "/disagreement");
  return paragraph(fmt::format("by client_ca: {}{}{}", words_or(client_ca_words(result), result),
                               code.empty() ? "" : ", " + code + " (" + json_text(own, "/verify_text") + ")",
                               disagreement.empty() ? "" : "; the proxy says otherwise"), "  ");
}

std::string hop_tls_text(const json& hop) {
  const json& tls = json_at(hop, "/tls");
  if (!tls.is_object()) return "without TLS";
  std::string text = json_text(tls, "/established") == "true" ? "TLS established" : "TLS not seen to be established";
  const std::string resumed = json_text(tls, "/resumed");
  if (!resumed.empty()) text += resumed == "true" ? ", resumed" : ", full handshake";
  const std::string subject = json_text(tls, "/client/x509/subject/distinguished_name");
  return subject.empty() ? text : text + ", certificate of " + subject;
}

/// "no client", "1 client", "3 clients": those that may have asked.
std::string candidates_text(const json& event) {
  const std::string count = or_else(json_text(event, "/mtlswatch/attribution/candidates"), "0");
  return (count == "0" ? "no" : count) + (count == "1" ? " client" : " clients");
}

std::string hops_text(const json& event) {
  std::string text = "\nThe way it came\n";
  int number = 0;
  for (const json& hop : json_at(event, "/mtlswatch/hops")) {
    const std::string source = json_endpoint(hop, "/source");
    const std::string destination = json_endpoint(hop, "/destination");
    const bool is_the_client = source.empty() && json_text(hop, "/process/pid") == json_text(event, "/mtlswatch/peer/process/pid");
    if (is_the_client) continue;  // it is told below as who connected to the backend
    text += fmt::format("  {}. {} -> {}  {}\n", ++number, source.empty() ? candidates_text(event) : source,
                        or_else(destination, "its listeners"), process_text(json_at(hop, "/process")));
    if (!source.empty()) text += "     " + hop_tls_text(hop) + "\n";
    const std::string evidence = json_text(hop, "/evidence");
    text += paragraph("evidence: " + words_or(evidence_words(evidence), evidence), "     ");
  }
  const json& peer = json_at(event, "/mtlswatch/peer/process");
  if (peer.is_object()) {
    text += fmt::format("  {}. {}, user {}, connected to the backend\n", ++number, process_text(peer),
                        or_else(json_text(peer, "/user/id"), "unknown"));
  } else if (number == 0) {
    text += fmt::format("  {}. {} connected to the backend\n", ++number,
                        or_else(json_endpoint(event, "/source"), "somebody unknown"));
  }
  text += fmt::format("  {}. {}  {}, backend \"{}\", read it\n", number + 1, json_endpoint(event, "/server"),
                      process_text(json_at(event, "/process")), json_text(event, "/service/name"));
  return text;
}

std::string claims_text(const json& event) {
  std::string text;
  const bool has_certificate = !json_text(event, "/tls/client/hash/sha256").empty() || json_text(event, "/mtlswatch/attribution/confidence") == "one_of";
  for (const json& claim : json_at(event, "/mtlswatch/claims")) {
    const std::string told = json_text(claim, "/result");
    const std::string result = told == "contradicts" && !has_certificate ? "unfounded" : told;
    text += fmt::format("  {}: {}  -- {}\n", json_text(claim, "/header"), json_text(claim, "/value"),
                        words_or(claim_words(result), result));
  }
  return text.empty() ? "" : "\nWhat its headers claim about the client\n" + text;
}

std::string attribution_text(const json& event) {
  const json& attribution = json_at(event, "/mtlswatch/attribution");
  const std::string confidence = json_text(attribution, "/confidence");
  const std::string method = json_text(attribution, "/method");
  std::string text = "\nHow sure\n";
  text += paragraph(fmt::format("{}: {} ({})", confidence, confidence_words(confidence), candidates_text(event)), "  ");
  return text + paragraph("found by: " + words_or(evidence_words(method), method), "  ");
}

std::string explain_request(const json& event, bool with_colour) {
  const std::string verdict = json_text(event, "/mtlswatch/verdict");
  const std::string reason = json_text(event, "/event/reason");
  std::string text =
      fmt::format("{} {}: {}, {}\n", or_else(json_text(event, "/http/request/method"), "request"),
                  json_text(event, "/url/path"), coloured(verdict, colour_of(verdict), with_colour), reason);
  text += fmt::format(
      "  {} at {}, status {}{}{}\n", json_text(event, "/event/id"), json_text(event, "/@timestamp"),
      or_else(json_text(event, "/http/response/status_code"), "not seen"),
      json_text(event, "/http/request/id").empty() ? "" : ", request id " + json_text(event, "/http/request/id"),
      json_text(event, "/trace/id").empty() ? "" : ", trace " + json_text(event, "/trace/id"));
  text += "\nWhy\n" + paragraph(words_or(reason_words(reason), "the policy names it " + reason), "  ");
  const std::string worst = json_text(event, "/mtlswatch/worst_case");
  if (!worst.empty()) text += paragraph("at worst it is " + worst + ": one of the candidates would make it so", "  ");
  return text + certificate_text(event) + client_ca_text(event) + hops_text(event) + attribution_text(event) + claims_text(event);
}

std::string explain_handshake(const json& event, bool with_colour) {
  const std::string outcome = json_text(event, "/event/outcome");
  std::string text =
      fmt::format("TLS handshake {} -> {}: {}, {}\n", or_else(json_endpoint(event, "/source"), "a client"),
                  or_else(json_endpoint(event, "/destination"), "a listener"),
                  coloured(outcome, colour_of(outcome), with_colour), json_text(event, "/event/reason"));
  text += fmt::format("  {} at {}, at {}\n", json_text(event, "/event/id"), json_text(event, "/@timestamp"),
                      process_text(json_at(event, "/process")));
  text += fmt::format("  TLS {}, {}\n", or_else(json_text(event, "/tls/version"), "of unknown version"),
                      or_else(json_text(event, "/tls/cipher"), "cipher not seen"));
  return text + certificate_text(event);
}

std::string explain_alert(const json& event) {
  std::string text =
      fmt::format("{} {}: {}\n  {} at {}\n", json_text(event, "/rule/id"), json_text(event, "/rule/name"),
                  json_text(event, "/message"), json_text(event, "/event/id"), json_text(event, "/@timestamp"));
  text += paragraph(json_text(event, "/rule/description"), "  ");
  text += fmt::format("  {}: {} times, from {} to {}\n", json_text(event, "/mtlswatch/alert/state"),
                      json_text(event, "/mtlswatch/alert/count"), json_text(event, "/mtlswatch/alert/first_seen"),
                      json_text(event, "/mtlswatch/alert/last_seen"));
  const std::string cause = json_text(event, "/mtlswatch/alert/cause");
  if (!cause.empty()) text += "  likely cause: " + cause + "\n";
  for (const json& id : json_at(event, "/mtlswatch/alert/evidence"))
    text += "  evidence: mtlswatch explain " + json_text(id, "") + "\n";
  return text;
}

/// The object, if the line is an event of ours.
Result<json> read_event(const std::string& line) {
  json event = json::parse(line, nullptr, false);
  if (event.is_object() && json_text(event, "/event/module") == "mtlswatch") return event;
  return Error{"this is no event of mtlswatch"};
}

/// What came of it, in one word: the verdict, the outcome, or which rule it broke.
std::string word_text(const json& event, const std::string& dataset) {
  const char* pointer = dataset == "request" ? "/mtlswatch/verdict" : dataset == "alert" ? "/rule/id" : "/event/outcome";
  return or_else(json_text(event, pointer), "-");
}

std::string who_text(const json& event) {
  const std::string subject = json_text(event, "/tls/client/x509/subject/distinguished_name");
  if (!subject.empty()) return subject;
  const std::string peer = json_text(event, "/mtlswatch/peer/process/name");
  return peer.empty() ? or_else(json_endpoint(event, "/source"), "-") : peer;
}

}  // namespace

Result<std::string> explain_text(const std::string& line, bool with_colour) {
  const auto event = read_event(line);
  if (!event) return event.error();
  const std::string dataset = json_text(*event, "/event/dataset");
  if (dataset == "mtlswatch.request") return explain_request(*event, with_colour);
  if (dataset == "mtlswatch.handshake") return explain_handshake(*event, with_colour);
  if (dataset == "mtlswatch.alert") return explain_alert(*event);
  return fmt::format("{}\n  {} at {}\n", json_text(*event, "/message"), json_text(*event, "/event/id"),
                     json_text(*event, "/@timestamp"));
}

std::string event_id_in_json(const std::string& line) {
  const auto event = read_event(line);
  return event ? json_text(*event, "/event/id") : "";
}

Result<std::string> event_line(const std::string& line, bool with_colour) {
  const auto event = read_event(line);
  if (!event) return event.error();
  const std::string dataset_name = json_text(*event, "/event/dataset");
  const std::string dataset = dataset_name.substr(std::min(dataset_name.find('.') + 1, dataset_name.size()));
  const std::string word = word_text(*event, dataset);
  const std::string what = dataset == "request" ? json_text(*event, "/http/request/method") + " " + json_text(*event, "/url/path")
                                                : json_text(*event, "/message");
  const Colour colour = dataset == "alert" && json_text(*event, "/mtlswatch/alert/state") != "resolved" ? Colour::kBad : colour_of(word);
  return fmt::format("{:<27}  {:<32}  {:<9}  {}  {:<31}  {:<12}  {:<24}  {}\n", json_text(*event, "/@timestamp"),
                     json_text(*event, "/event/id"), dataset, coloured(fmt::format("{:<13}", word), colour, with_colour),
                     or_else(json_text(*event, "/event/reason"), "-"), or_else(json_text(*event, "/service/name"), "-"),
                     who_text(*event), what);
}

}  // namespace mtlswatch
