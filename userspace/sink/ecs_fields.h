// SPDX-License-Identifier: Apache-2.0
// Field sets that several kinds of events share: ends of connections, processes, TLS, certificates. Used within this
// folder only. Each writes nothing where nothing is known.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/model/verdict.h"
#include "userspace/sink/ecs_json.h"
#include "userspace/sink/json_writer.h"

namespace mtlswatch {

/// key.{ip,port,address,domain}; a Unix socket has only an address, its path.
void write_endpoint(JsonWriter& json, std::string_view key, const Endpoint* endpoint, std::string_view domain = {});
/// network.{transport,type,protocol,direction} of a connection that was accepted at, or came from, endpoint.
void write_network(JsonWriter& json, const Endpoint* endpoint, std::string_view protocol);
/// related.{ip,hash,user}, each value once.
void write_related(JsonWriter& json, std::initializer_list<const Endpoint*> endpoints, const Certificate* certificate);

/// process.{pid,name,executable}
void write_process_identity(JsonWriter& json, const ProcessFacts& process);
/// user.id, where /proc or the kernel has told it: a uid of 0 that nobody read is no root.
void write_process_user(JsonWriter& json, const ProcessFacts& process);
/// The object "process" with all that ECS has fields for.
void write_process(JsonWriter& json, const ProcessFacts& process);
/// The objects "container", "kubernetes" and "orchestrator" of the container and pod that it runs in; names where the API has
/// told them, now or before the pod ended.
void write_workload(JsonWriter& json, const SinkContext& context, const ProcessFacts& process);
/// "nginx[4121]", or "process 4121"; empty if not even the pid is known.
std::string process_text(const ProcessFacts& process);

/// The object "tls": session may be null, certificate too. Only a certificate that parsed has an x509.
void write_tls(JsonWriter& json, const Session* session, const Certificate* certificate);
/// The "tls" of a hop: established, resumed, client.x509.
void write_hop_tls(JsonWriter& json, const Session& session);
/// The object "client_certificate": the separate facts of the session, null where unknown, the chain that was sent, and
/// of a leaf that did not parse its length and why.
void write_client_certificate(JsonWriter& json, const Session* session, const Certificate* certificate);
/// The object "client_hello": what the client offered and ECS has no field for.
void write_client_hello(JsonWriter& json, const Session& session);

/// What to call the holder: the subject, else the first alternative name; empty if it has neither.
std::string holder_text(const Certificate& certificate);
/// The first certificate that was presented, or null.
const Certificate* leaf(const Session& session);
/// The server name that the client asked for; empty if none.
std::string_view server_name(const Session* session);
/// "certificate has expired": X509_verify_cert_error_string.
std::string verify_text(int verify_code);

}  // namespace mtlswatch
