// A peer of `./bench xml-sig`: XML Signature of the JDK (JSR 105, DOM), with a pinned certificate.
// java Verify.java FILE CERTIFICATE SECONDS EXPECTED: warms up for so long, then measures for so long; prints the
// milliseconds of one verification from the file, by the wall clock and of CPU time.

import java.io.ByteArrayInputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PublicKey;
import java.security.cert.CertificateFactory;
import java.util.Locale;
import javax.xml.crypto.dsig.XMLSignature;
import javax.xml.crypto.dsig.XMLSignatureFactory;
import javax.xml.crypto.dsig.dom.DOMValidateContext;
import javax.xml.parsers.DocumentBuilderFactory;

public class Verify {
    /** Rounds of each half at least. */
    private static final int ROUNDS_MIN = 3;

    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[0]);
        byte[] pem = Files.readAllBytes(Path.of(arguments[1]));
        long nanos = (long) (Double.parseDouble(arguments[2]) * 1e9);
        boolean expected = Boolean.parseBoolean(arguments[3]);
        PublicKey key = CertificateFactory.getInstance("X.509")
                .generateCertificate(new ByteArrayInputStream(pem)).getPublicKey();
        repeat(file, key, nanos, expected);
        double[] taken = repeat(file, key, nanos, expected);
        System.out.printf(Locale.ROOT, "%.4f %.4f%n", taken[0], taken[1]);
    }

    private static double[] repeat(Path file, PublicKey key, long nanos, boolean expected) throws Exception {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = system.getProcessCpuTime();
        long begun = System.nanoTime();
        int rounds = 0;
        while (rounds < ROUNDS_MIN || System.nanoTime() - begun < nanos) {
            if (verify(file, key) != expected) {
                throw new IllegalStateException("unexpected verdict");
            }
            rounds++;
        }
        double each = 1e6 * rounds;
        return new double[] {(System.nanoTime() - begun) / each, (system.getProcessCpuTime() - cpu) / each};
    }

    private static boolean verify(Path file, PublicKey key) throws Exception {
        var factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        var document = factory.newDocumentBuilder().parse(file.toFile());
        var signature = document.getElementsByTagNameNS(XMLSignature.XMLNS, "Signature").item(0);
        var context = new DOMValidateContext(key, signature);
        // Its limits are for documents of strangers; these are ours, and long.
        context.setProperty("org.jcp.xml.dsig.secureValidation", Boolean.FALSE);
        return XMLSignatureFactory.getInstance("DOM").unmarshalXMLSignature(context).validate(context);
    }
}
