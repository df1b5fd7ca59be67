// The table of all metrics; see base/metric.h. Each part adds its rows under its own heading.
#ifndef SOTTO_BASE_METRIC_LIST_H
#define SOTTO_BASE_METRIC_LIST_H

#define METRIC_LIST_NODE(X)                                                                                            \
    X(METRIC_READY, METRIC_GAUGE, "ready", "", "1 when the node can do its work")                                      \
    X(METRIC_CONNECTIONS, METRIC_GAUGE, "connections", "", "Open links")                                               \
    X(METRIC_LINKS_REFUSED, METRIC_COUNTER, "connections_refused_total", "", "Links over a limit, closed at once")     \
    X(METRIC_LINKS_CLOSED, METRIC_COUNTER, "connections_closed_total", "", "Links that ended")                         \
    X(METRIC_DIALS_FAILED, METRIC_COUNTER, "dials_failed_total", "", "Links that could not be made")                   \
    X(METRIC_LINK_QUEUE_FULL, METRIC_COUNTER, "link_queue_full_total", "", "Cells or messages lost to a full queue")   \
    X(METRIC_PACKETS_LIMITED, METRIC_COUNTER, "packets_rate_limited_total", "", "Packets over a client's rate")        \
    X(METRIC_UNKNOWN_RELAY, METRIC_COUNTER, "packets_unknown_relay_total", "", "Packets to a relay nobody knows")      \
    X(METRIC_UNKNOWN_HANDLE, METRIC_COUNTER, "replies_unknown_handle_total", "", "Replies to a client no longer here") \
    X(METRIC_MESSAGES_UNWANTED, METRIC_COUNTER, "messages_unwanted_total", "",                                         \
      "Messages from one who may not send it")                                                                         \
    X(METRIC_DIRECTORIES_TAKEN, METRIC_COUNTER, "directories_taken_total", "", "Directories verified and kept")        \
    X(METRIC_DIRECTORIES_REFUSED, METRIC_COUNTER, "directories_refused_total", "", "Directories refused")              \
    X(METRIC_DIRECTORY_EPOCH, METRIC_GAUGE, "directory_epoch", "", "Epoch of the directory in force, 0 without one")   \
    X(METRIC_DIRECTORY_RELAYS, METRIC_GAUGE, "directory_relays", "", "Relays in the directory in force")               \
    X(METRIC_ADDRESSES, METRIC_GAUGE, "address_records", "", "Relays that say they have moved since the directory")    \
    X(METRIC_ADDRESSES_TAKEN, METRIC_COUNTER, "address_records_taken_total", "", "Address records verified and kept")  \
    X(METRIC_ADDRESSES_REFUSED, METRIC_COUNTER, "address_records_refused_total", "", "Address records refused")

#define METRIC_LIST_RELAY(X)                                                                                       \
    X(METRIC_RELAY_RECEIVED, METRIC_COUNTER, "relay_packets_received_total", "", "Onion packets that came in")     \
    X(METRIC_RELAY_FORWARDED, METRIC_COUNTER, "relay_packets_forwarded_total", "",                                 \
      "Onion packets handed on to another relay")                                                                  \
    X(METRIC_RELAY_DELIVERED, METRIC_COUNTER, "relay_packets_delivered_total", "to=\"mailbox\"",                   \
      "Onion packets whose way ended here")                                                                        \
    X(METRIC_RELAY_TO_CLIENT, METRIC_COUNTER, "relay_packets_delivered_total", "to=\"client\"",                    \
      "Onion packets whose way ended here")                                                                        \
    X(METRIC_RELAY_DROPPED_NOT_READY, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"not_ready\"",       \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_DROPPED_QUEUE_FULL, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"queue_full\"",     \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_DROPPED_UNREADABLE, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"unreadable\"",     \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_DROPPED_LATE, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"late\"",                 \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_DROPPED_FILTER_FULL, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"filter_full\"",   \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_DROPPED_UNKNOWN_NEXT, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"unknown_next\"", \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_DROPPED_DELAY_FULL, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"delay_full\"",     \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_DROPPED_PAYLOAD, METRIC_COUNTER, "relay_packets_dropped_total", "reason=\"payload\"",           \
      "Onion packets given up")                                                                                    \
    X(METRIC_RELAY_REPLAYS, METRIC_COUNTER, "relay_replays_rejected_total", "", "Onion packets seen before")       \
    X(METRIC_RELAY_REPLAY_TAGS, METRIC_GAUGE, "relay_replay_tags", "", "Tags in the replay filter")                \
    X(METRIC_RELAY_QUEUE, METRIC_GAUGE, "relay_queue_length", "",                                                  \
      "Onion packets waiting to be peeled or being peeled")                                                        \
    X(METRIC_RELAY_FORWARD_DELAY, METRIC_HISTOGRAM, "relay_forward_delay_seconds", "",                             \
      "From an onion packet's arrival to its departure")                                                           \
    X(METRIC_RELAY_LOOPS_SENT, METRIC_COUNTER, "relay_loops_sent_total", "", "Cover loops sent")                   \
    X(METRIC_RELAY_LOOPS_RETURNED, METRIC_COUNTER, "relay_loops_returned_total", "", "Cover loops that came back") \
    X(METRIC_RELAY_LOOPS_LOST, METRIC_COUNTER, "relay_loops_lost_total", "", "Cover loops that did not come back") \
    X(METRIC_RELAY_LOOP_ALARM, METRIC_GAUGE, "relay_loop_alarm", "", "1 when over 20 % of the last 50 loops were lost")

#define METRIC_LIST_NET(X)                                                                                   \
    X(METRIC_OPENED_IN, METRIC_COUNTER, "sockets_opened_total", "direction=\"in\"", "Links opened")          \
    X(METRIC_OPENED_OUT, METRIC_COUNTER, "sockets_opened_total", "direction=\"out\"", "Links opened")        \
    X(METRIC_CLOSED_PEER, METRIC_COUNTER, "sockets_closed_total", "reason=\"peer\"", "Links closed")         \
    X(METRIC_CLOSED_IO, METRIC_COUNTER, "sockets_closed_total", "reason=\"io\"", "Links closed")             \
    X(METRIC_CLOSED_TLS, METRIC_COUNTER, "sockets_closed_total", "reason=\"tls\"", "Links closed")           \
    X(METRIC_CLOSED_TIMEOUT, METRIC_COUNTER, "sockets_closed_total", "reason=\"timeout\"", "Links closed")   \
    X(METRIC_CLOSED_PROTOCOL, METRIC_COUNTER, "sockets_closed_total", "reason=\"protocol\"", "Links closed") \
    X(METRIC_CLOSED_FLOOD, METRIC_COUNTER, "sockets_closed_total", "reason=\"flood\"", "Links closed")       \
    X(METRIC_CLOSED_NETWORK, METRIC_COUNTER, "sockets_closed_total", "reason=\"network\"", "Links closed")   \
    X(METRIC_CLOSED_UNWANTED, METRIC_COUNTER, "sockets_closed_total", "reason=\"unwanted\"", "Links closed") \
    X(METRIC_CLOSED_STOPPING, METRIC_COUNTER, "sockets_closed_total", "reason=\"stopping\"", "Links closed") \
    X(METRIC_REFUSED_LINKS, METRIC_COUNTER, "sockets_refused_total", "reason=\"links\"",                     \
      "Connections refused before the handshake")                                                            \
    X(METRIC_REFUSED_HANDSHAKES, METRIC_COUNTER, "sockets_refused_total", "reason=\"handshakes\"",           \
      "Connections refused before the handshake")                                                            \
    X(METRIC_REFUSED_RATE, METRIC_COUNTER, "sockets_refused_total", "reason=\"rate\"",                       \
      "Connections refused before the handshake")                                                            \
    X(METRIC_HANDSHAKE_FAILED_TLS, METRIC_COUNTER, "handshake_failures_total", "reason=\"tls\"",             \
      "Links that did not get to open")                                                                      \
    X(METRIC_HANDSHAKE_FAILED_TIMEOUT, METRIC_COUNTER, "handshake_failures_total", "reason=\"timeout\"",     \
      "Links that did not get to open")                                                                      \
    X(METRIC_HANDSHAKE_FAILED_IO, METRIC_COUNTER, "handshake_failures_total", "reason=\"io\"",               \
      "Links that did not get to open")                                                                      \
    X(METRIC_HANDSHAKE_DURATION, METRIC_HISTOGRAM, "handshake_duration_seconds", "",                         \
      "From accept or dial to the open link")                                                                \
    X(METRIC_NETWORK_RECEIVE, METRIC_COUNTER, "network_receive_bytes_total", "", "Bytes read from links")    \
    X(METRIC_NETWORK_TRANSMIT, METRIC_COUNTER, "network_transmit_bytes_total", "", "Bytes written to links")

#define METRIC_LIST_CLIENT(X)                                                                                         \
    X(METRIC_CLIENT_QUEUED, METRIC_COUNTER, "client_messages_total", "event=\"queued\"",                              \
      "Messages by what became of them")                                                                              \
    X(METRIC_CLIENT_STORED, METRIC_COUNTER, "client_messages_total", "event=\"stored\"",                              \
      "Messages by what became of them")                                                                              \
    X(METRIC_CLIENT_ACKNOWLEDGED, METRIC_COUNTER, "client_messages_total", "event=\"acknowledged\"",                  \
      "Messages by what became of them")                                                                              \
    X(METRIC_CLIENT_EXPIRED, METRIC_COUNTER, "client_messages_total", "event=\"expired\"",                            \
      "Messages by what became of them")                                                                              \
    X(METRIC_CLIENT_RECEIVED, METRIC_COUNTER, "client_messages_total", "event=\"received\"",                          \
      "Messages by what became of them")                                                                              \
    X(METRIC_CLIENT_REQUESTS, METRIC_COUNTER, "client_requests_total", "", "Messages of strangers taken in")          \
    X(METRIC_CLIENT_DROPPED_DUPLICATE, METRIC_COUNTER, "client_dropped_items_total", "reason=\"duplicate\"",          \
      "Items not shown")                                                                                              \
    X(METRIC_CLIENT_DROPPED_UNDECRYPTABLE, METRIC_COUNTER, "client_dropped_items_total", "reason=\"undecryptable\"",  \
      "Items not shown")                                                                                              \
    X(METRIC_CLIENT_DROPPED_BLOCKED, METRIC_COUNTER, "client_dropped_items_total", "reason=\"blocked\"",              \
      "Items not shown")                                                                                              \
    X(METRIC_CLIENT_DROPPED_STRANGER, METRIC_COUNTER, "client_dropped_items_total", "reason=\"stranger\"",            \
      "Items not shown")                                                                                              \
    X(METRIC_CLIENT_DROPPED_FOREIGN, METRIC_COUNTER, "client_dropped_items_total", "reason=\"foreign\"",              \
      "Items not shown")                                                                                              \
    X(METRIC_CLIENT_DROPPED_EXPIRED, METRIC_COUNTER, "client_dropped_items_total", "reason=\"expired\"",              \
      "Items not shown")                                                                                              \
    X(METRIC_CLIENT_DROPPED_SETTLED, METRIC_COUNTER, "client_dropped_items_total", "reason=\"settled\"",              \
      "Items not shown")                                                                                              \
    X(METRIC_CLIENT_BROKEN_PROMISES, METRIC_COUNTER, "client_broken_promises_total", "",                              \
      "Items handed out though deleted or expired there")                                                             \
    X(METRIC_CLIENT_LATE, METRIC_COUNTER, "client_late_messages_total", "", "Messages shown out of order")            \
    X(METRIC_CLIENT_REPLY_UNKNOWN, METRIC_COUNTER, "client_dropped_replies_total", "reason=\"unknown\"",              \
      "Replies without use")                                                                                          \
    X(METRIC_CLIENT_REPLY_BAD, METRIC_COUNTER, "client_dropped_replies_total", "reason=\"malformed\"",                \
      "Replies without use")                                                                                          \
    X(METRIC_CLIENT_RECEIPTS_BAD, METRIC_COUNTER, "client_dropped_replies_total", "reason=\"receipts\"",              \
      "Replies without use")                                                                                          \
    X(METRIC_CLIENT_OP_REFUSED, METRIC_COUNTER, "client_refusals_total", "",                                          \
      "Operations that a replica did not carry out")                                                                  \
    X(METRIC_CLIENT_PACKETS, METRIC_COUNTER, "client_packets_total", "", "Onion packets sent, loops included")        \
    X(METRIC_CLIENT_RETRIES, METRIC_COUNTER, "client_retries_total", "", "Items sent again")                          \
    X(METRIC_CLIENT_RELAXED, METRIC_COUNTER, "client_relaxed_routes_total", "",                                       \
      "Choices for which the network was too small")                                                                  \
    X(METRIC_CLIENT_LOOPS, METRIC_COUNTER, "client_loops_total", "", "Loop packets sent")                             \
    X(METRIC_CLIENT_LOOPS_LOST, METRIC_COUNTER, "client_lost_loops_total", "", "Loop packets that did not come back") \
    X(METRIC_CLIENT_LOOP_ALARM, METRIC_GAUGE, "client_loop_alarm", "",                                                \
      "1 when over 20 % of the last 50 loops were lost")                                                              \
    X(METRIC_CLIENT_OUTBOX, METRIC_GAUGE, "client_outbox", "", "Letters waiting in the outbox")                       \
    X(METRIC_CLIENT_STORED_SECONDS, METRIC_HISTOGRAM, "client_stored_seconds", "",                                    \
      "From sending to verified receipts")                                                                            \
    X(METRIC_CLIENT_ACKNOWLEDGED_SECONDS, METRIC_HISTOGRAM, "client_acknowledged_seconds", "",                        \
      "From sending to the recipient's acknowledgement")

#define METRIC_LIST_HOST(X)                                                                                       \
    X(METRIC_LOG_DEBUG, METRIC_COUNTER, "log_messages_total", "level=\"debug\"", "Log lines written")             \
    X(METRIC_LOG_INFO, METRIC_COUNTER, "log_messages_total", "level=\"info\"", "Log lines written")               \
    X(METRIC_LOG_WARN, METRIC_COUNTER, "log_messages_total", "level=\"warn\"", "Log lines written")               \
    X(METRIC_LOG_ERROR, METRIC_COUNTER, "log_messages_total", "level=\"error\"", "Log lines written")             \
    X(METRIC_STORAGE_SYNC, METRIC_HISTOGRAM, "storage_sync_duration_seconds", "", "One sync of the store")        \
    X(METRIC_STORAGE_FREE, METRIC_GAUGE, "storage_free_bytes", "", "Free space of the disk that holds the store") \
    X(METRIC_LOOP_LAG, METRIC_HISTOGRAM, "event_loop_lag_seconds", "",                                            \
      "How long one turn of the event loop kept others waiting")                                                  \
    X(METRIC_JOBS_WAITING, METRIC_GAUGE, "jobs_waiting", "", "Jobs queued or running")                            \
    X(METRIC_STEPS_WAITING, METRIC_GAUGE, "steps_waiting", "", "Steps whose effects wait for a sync")             \
    X(METRIC_HTTP_REQUESTS, METRIC_COUNTER, "http_requests_total", "", "HTTP requests taken")                     \
    X(METRIC_HTTP_REFUSED_TOKEN, METRIC_COUNTER, "http_refused_total", "reason=\"token\"",                        \
      "HTTP requests refused before they were looked at")                                                         \
    X(METRIC_HTTP_REFUSED_ORIGIN, METRIC_COUNTER, "http_refused_total", "reason=\"origin\"",                      \
      "HTTP requests refused before they were looked at")                                                         \
    X(METRIC_HTTP_REFUSED_LIMIT, METRIC_COUNTER, "http_refused_total", "reason=\"limit\"",                        \
      "HTTP requests refused before they were looked at")                                                         \
    X(METRIC_HTTP_REFUSED_SIZE, METRIC_COUNTER, "http_refused_total", "reason=\"size\"",                          \
      "HTTP requests refused before they were looked at")                                                         \
    X(METRIC_HTTP_CUT, METRIC_COUNTER, "http_cut_total", "", "HTTP connections cut: too slow, or too late an answer")

#define METRIC_LIST_MAILBOX(X)                                                                                        \
    X(METRIC_MAILBOX_MESSAGES, METRIC_GAUGE, "mailbox_messages", "", "Items held")                                    \
    X(METRIC_MAILBOX_ENTRIES, METRIC_GAUGE, "mailbox_entries", "", "Items, tombstones and policies held")             \
    X(METRIC_MAILBOX_BYTES, METRIC_GAUGE, "mailbox_storage_bytes", "", "What the mailboxes take on disk, about")      \
    X(METRIC_MAILBOX_DEPOSITS, METRIC_GAUGE, "mailbox_subscription_deposits", "",                                     \
      "Reply blocks deposited by subscriptions")                                                                      \
    X(METRIC_MAILBOX_STORED, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"ok\"",                        \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_HELD, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"held\"",                  \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_DELETED, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"deleted\"",            \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_EPOCH, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"wrong_epoch\"",          \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_NOT_REPLICA, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"not_replica\"",    \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_REFUSED, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"refused\"",            \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_STAMP, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"stamp\"",                \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_FULL, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"mailbox_full\"",          \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_RELAY_FULL, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"relay_full\"",      \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_EXPIRY, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"expiry\"",              \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_NO_QUORUM, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"no_quorum\"",        \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_STORE_LIMIT, METRIC_COUNTER, "mailbox_messages_stored_total", "result=\"limit\"",                \
      "Stores, by how they ended")                                                                                    \
    X(METRIC_MAILBOX_DELIVERED, METRIC_COUNTER, "mailbox_messages_delivered_total", "", "Items sent to their owners") \
    X(METRIC_MAILBOX_DELETED, METRIC_COUNTER, "mailbox_messages_deleted_total", "", "Items deleted by their owners")  \
    X(METRIC_MAILBOX_PROVEN, METRIC_COUNTER, "mailbox_deliveries_proven_total", "",                                   \
      "Items acknowledged by their recipients, with another replica's receipt to prove it to the ledger")             \
    X(METRIC_MAILBOX_EXPIRED, METRIC_COUNTER, "mailbox_messages_expired_total", "",                                   \
      "Items that expired before they were deleted")                                                                  \
    X(METRIC_MAILBOX_REQUESTS, METRIC_COUNTER, "mailbox_requests_total", "result=\"ok\"", "Owners' requests")         \
    X(METRIC_MAILBOX_REQUESTS_REFUSED, METRIC_COUNTER, "mailbox_requests_total", "result=\"refused\"",                \
      "Owners' requests")                                                                                             \
    X(METRIC_MAILBOX_REPAIR_ROUNDS, METRIC_COUNTER, "mailbox_repair_rounds_total", "",                                \
      "Comparisons of all that is held with the other homes")                                                         \
    X(METRIC_MAILBOX_REPAIR_DIFFERENT, METRIC_COUNTER, "mailbox_repair_different_buckets_total", "",                  \
      "Buckets in which two homes differed")                                                                          \
    X(METRIC_MAILBOX_REPAIR_SENT, METRIC_COUNTER, "mailbox_repair_entries_total", "direction=\"sent\"",               \
      "Items, tombstones and policies that repair moved")                                                             \
    X(METRIC_MAILBOX_REPAIR_RECEIVED, METRIC_COUNTER, "mailbox_repair_entries_total", "direction=\"received\"",       \
      "Items, tombstones and policies that repair moved")                                                             \
    X(METRIC_MAILBOX_HANDED_OVER, METRIC_COUNTER, "mailbox_handed_over_total", "",                                    \
      "Items forgotten after their homes acknowledged them")                                                          \
    X(METRIC_MAILBOX_OLDEST, METRIC_GAUGE, "mailbox_oldest_message_age_seconds", "",                                  \
      "Age of the oldest item held when last looked at")                                                              \
    X(METRIC_MAILBOX_DROPPED_MALFORMED, METRIC_COUNTER, "mailbox_dropped_total", "reason=\"malformed\"",              \
      "Operations and messages of replicas given up")                                                                 \
    X(METRIC_MAILBOX_DROPPED_UNLISTED, METRIC_COUNTER, "mailbox_dropped_total", "reason=\"unlisted\"",                \
      "Operations and messages of replicas given up")                                                                 \
    X(METRIC_MAILBOX_DROPPED_RECEIPT, METRIC_COUNTER, "mailbox_dropped_total", "reason=\"receipt\"",                  \
      "Operations and messages of replicas given up")                                                                 \
    X(METRIC_MAILBOX_DROPPED_LIMIT, METRIC_COUNTER, "mailbox_dropped_total", "reason=\"limit\"",                      \
      "Operations and messages of replicas given up")                                                                 \
    X(METRIC_MAILBOX_DROPPED_PROOF, METRIC_COUNTER, "mailbox_dropped_total", "reason=\"proof\"",                      \
      "Operations and messages of replicas given up")

#define METRIC_LIST_LEDGER(X)                                                                                      \
    X(METRIC_STANDING_TXS, METRIC_COUNTER, "standing_transactions_total", "",                                      \
      "Submitted for the relay's registration")                                                                    \
    X(METRIC_STANDING_FAILURES, METRIC_COUNTER, "standing_failures_total", "",                                     \
      "Validators that did not serve the relay")                                                                   \
    X(METRIC_STONES_TAKEN, METRIC_COUNTER, "light_headers_total", "",                                              \
      "Headers between that the light client fetched and trusts")                                                  \
    X(METRIC_STONES_FAILURES, METRIC_COUNTER, "light_failures_total", "",                                          \
      "Validators that did not serve the light client")                                                            \
    X(METRIC_LIGHT_FORKED, METRIC_GAUGE, "light_forked", "", "1: validators have signed two histories")            \
    X(METRIC_LEDGER_HEIGHT, METRIC_GAUGE, "ledger_height", "", "Height of the last final block")                   \
    X(METRIC_LEDGER_VALIDATORS, METRIC_GAUGE, "ledger_validators", "", "Validators of the next height")            \
    X(METRIC_LEDGER_PEERS, METRIC_GAUGE, "ledger_peers", "", "Ledger links")                                       \
    X(METRIC_LEDGER_SYNCING, METRIC_GAUGE, "ledger_syncing", "", "1 while the chain is being fetched from others") \
    X(METRIC_LEDGER_MEMPOOL_TXS, METRIC_GAUGE, "ledger_mempool_transactions", "", "Transactions that wait")        \
    X(METRIC_LEDGER_MEMPOOL_BYTES, METRIC_GAUGE, "ledger_mempool_bytes", "", "Their bytes")                        \
    X(METRIC_LEDGER_BLOCKS, METRIC_COUNTER, "ledger_blocks_total", "", "Blocks that became final")                 \
    X(METRIC_LEDGER_TXS, METRIC_COUNTER, "ledger_transactions_total", "", "Transactions in them")                  \
    X(METRIC_LEDGER_TXS_REFUSED, METRIC_COUNTER, "ledger_transactions_refused_total", "",                          \
      "Transactions of peers that were not taken")                                                                 \
    X(METRIC_LEDGER_PROPOSALS_REFUSED, METRIC_COUNTER, "ledger_proposals_refused_total", "",                       \
      "Proposed blocks that were not valid")                                                                       \
    X(METRIC_LEDGER_EVIDENCE, METRIC_COUNTER, "ledger_evidence_total", "", "Validators seen to sign twice")        \
    X(METRIC_LEDGER_PEERS_CLOSED, METRIC_COUNTER, "ledger_peers_closed_total", "", "Peers that broke a rule")      \
    X(METRIC_LEDGER_FRAMES_FOREIGN, METRIC_COUNTER, "ledger_frames_foreign_total", "",                             \
      "Frames of consensus from peers that are no validators")

#define METRIC_LIST(X)   \
    METRIC_LIST_NODE(X)  \
    METRIC_LIST_RELAY(X) \
    METRIC_LIST_NET(X) METRIC_LIST_HOST(X) METRIC_LIST_MAILBOX(X) METRIC_LIST_CLIENT(X) METRIC_LIST_LEDGER(X)

#endif
