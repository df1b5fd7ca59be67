// The commands of `sotto`, one group a file.
#ifndef SOTTO_CLI_COMMANDS_H
#define SOTTO_CLI_COMMANDS_H

int testnet_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int keys_main(int argc, char **argv);

// The ledger's.
int account_main(int argc, char **argv);
int chain_main(int argc, char **argv);
int relay_main(int argc, char **argv);
int tx_main(int argc, char **argv);
int validator_main(int argc, char **argv);

int account_create_main(int argc, char **argv);
int id_main(int argc, char **argv);
int contacts_main(int argc, char **argv);
int send_main(int argc, char **argv);
int inbox_main(int argc, char **argv);
int requests_main(int argc, char **argv);
int watch_main(int argc, char **argv);
int backup_main(int argc, char **argv);
int restore_main(int argc, char **argv);

// The path of sottod: beside this program.
const char *sottod_path(void);

#endif
