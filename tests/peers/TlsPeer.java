import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Scanner;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * Java's TLS, from its standard library alone.
 *
 * <pre>
 * TlsPeer serve CA CERT KEY
 *     insists on a client's certificate, and answers a request with a line; prints
 *     "listening 127.0.0.1:PORT", and ends with its standard input
 * TlsPeer dial
 *     one dial a line of standard input, "PORT HOST CA CERT KEY" ("-" for a client without); a line
 *     each: "accepted", "untrusted ERROR" (the client's doing) or "refused ERROR" (the server's)
 * </pre>
 */
public class TlsPeer {
    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("serve")) {
            serve(context(arguments[1], arguments[2], arguments[3]));
        } else {
            Scanner lines = new Scanner(System.in);
            while (lines.hasNextLine()) {
                System.out.println(dial(lines.nextLine().split(" ")));
            }
        }
    }

    private static void serve(SSLContext context) throws Exception {
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket();
        listener.setNeedClientAuth(true);
        listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
        System.out.println("listening 127.0.0.1:" + listener.getLocalPort());
        Thread accepting = new Thread(() -> accept(listener));
        accepting.setDaemon(true);
        accepting.start();
        System.in.transferTo(OutputStream.nullOutputStream());
    }

    private static void accept(SSLServerSocket listener) {
        while (true) {
            try (Socket client = listener.accept()) {
                client.setSoTimeout(5000);
                client.getInputStream().read();
                client.getOutputStream().write("welcome\n".getBytes(StandardCharsets.US_ASCII));
                client.getOutputStream().flush();
            } catch (IOException refused) {
                // The client hears why.
            }
        }
    }

    private static String dial(String[] asked) throws Exception {
        SSLContext context = context(asked[2], asked[3], asked[4]);
        try (Socket plain = new Socket(InetAddress.getLoopbackAddress(), Integer.parseInt(asked[0]));
                SSLSocket secure =
                        (SSLSocket) context.getSocketFactory().createSocket(plain, asked[1], plain.getPort(), true)) {
            secure.setSoTimeout(5000);
            var parameters = secure.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            secure.setSSLParameters(parameters);
            secure.startHandshake();
            new PrintStream(secure.getOutputStream()).print("GET / HTTP/1.0\r\n\r\n");
            InputStream answer = secure.getInputStream();
            String text = new String(answer.readNBytes(12), StandardCharsets.ISO_8859_1);
            boolean isRefused = text.isEmpty() || text.startsWith("HTTP/1.1 400");
            return isRefused ? "refused by its answer: " + text.strip() : "accepted";
        } catch (SSLException error) {
            boolean isOurs = error instanceof SSLHandshakeException && error.getCause() != null;
            return (isOurs ? "untrusted " : "refused ") + error.getMessage().replace('\n', ' ');
        } catch (IOException error) {
            return "refused " + error.getMessage();
        }
    }

    private static SSLContext context(String ca, String cert, String key) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        for (Certificate anchor : certificates(ca)) {
            trusted.setCertificateEntry("ca" + trusted.size(), anchor);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        KeyStore own = KeyStore.getInstance(KeyStore.getDefaultType());
        own.load(null, null);
        if (!cert.equals("-")) {
            Certificate[] chain = certificates(cert).toArray(new Certificate[0]);
            own.setKeyEntry("own", privateKey(key, chain[0].getPublicKey().getAlgorithm()), new char[0], chain);
        }
        keys.init(own, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static Collection<? extends Certificate> certificates(String path) throws Exception {
        try (InputStream file = Files.newInputStream(Path.of(path))) {
            return CertificateFactory.getInstance("X.509").generateCertificates(file);
        }
    }

    private static PrivateKey privateKey(String path, String algorithm) throws Exception {
        List<String> lines = Files.readAllLines(Path.of(path));
        String text = String.join("", lines.subList(1, lines.size() - 1));
        return KeyFactory.getInstance(algorithm)
                .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(text)));
    }
}
