// SPDX-License-Identifier: Apache-2.0
// The plain words for the closed vocabularies of the output contract. Used by explain_json.
#pragma once

#include <string_view>

namespace mtlswatch {

/// What an event.reason of a request means; empty for one without words here (the name of an exemption).
std::string_view reason_words(std::string_view reason);
/// What an attribution method or a hop's evidence rests on.
std::string_view evidence_words(std::string_view evidence);
/// What a confidence means.
std::string_view confidence_words(std::string_view confidence);
/// What came of comparing a claim with the certificate.
std::string_view claim_words(std::string_view result);
/// What our own verification came to.
std::string_view client_ca_words(std::string_view result);

}  // namespace mtlswatch
