package console;

import java.nio.charset.StandardCharsets;
import java.util.Base64;

import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.TableEnvironment;

/**
 * Runs the statements of one SQL job. Each argument is one statement: base64 of "kind\nnumber\ntext", where kind is
 * "set" (text is "key\nvalue"), "insert" or "other". All inserts become one Flink job.
 *
 * Janino compiles this file: Java 8, no lambdas.
 */
public class SqlRunner {

    public static void main(String[] args) throws Exception {
        TableEnvironment tables =
                TableEnvironment.create(EnvironmentSettings.newInstance().inStreamingMode().build());
        StatementSet inserts = tables.createStatementSet();
        for (int i = 0; i < args.length; i++) {
            String decoded = new String(Base64.getDecoder().decode(args[i]), StandardCharsets.UTF_8);
            String[] parts = decoded.split("\n", 3);
            try {
                if (parts[0].equals("set")) {
                    String[] setting = parts[2].split("\n", 2);
                    tables.getConfig().set(setting[0], setting[1]);
                } else if (parts[0].equals("insert")) {
                    inserts.addInsertSql(parts[2]);
                } else {
                    tables.executeSql(parts[2]);
                }
            } catch (Throwable cause) {
                throw new RuntimeException("Statement " + parts[1] + ": " + cause.getMessage(), cause);
            }
        }
        inserts.execute();
    }
}
